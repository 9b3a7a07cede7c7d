# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import importlib.util


def f(x):
    found = importlib.util.find_spec('json')
    return x + (found.name == 'json')
