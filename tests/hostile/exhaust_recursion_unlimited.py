# {"allowed": ["crashed", "memory", "exception", "timeout"], "entry": "f", "test": "assert f(3) == 4"}
import sys

sys.setrecursionlimit(1 << 30)


def f(x):
    return f(x) + 1
