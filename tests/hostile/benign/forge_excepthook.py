# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import sys


def f(x):
    before, sys.excepthook = sys.excepthook, print
    sys.excepthook = before
    return x + 1
