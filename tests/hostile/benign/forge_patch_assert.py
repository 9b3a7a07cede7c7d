# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import sys


def f(x):
    assert __debug__ and sys.flags.optimize == 0
    return x + 1
