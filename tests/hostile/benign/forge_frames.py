# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import inspect


def f(x):
    return x + len(inspect.signature(f).parameters)
