# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os

os.environ['MODE'] = 'quick'


def f(x):
    return x + len(os.environ.get('MODE', '')) - 4
