# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import atexit

atexit.register(print, 'bye')


def f(x):
    return x + 1
