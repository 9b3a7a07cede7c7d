# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import sys


def f(x):
    return x + (os.path.dirname(os.__file__) in sys.path)
