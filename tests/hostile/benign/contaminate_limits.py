# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import resource
import sys

sys.setrecursionlimit(sys.getrecursionlimit() + 100)


def f(x):
    return x + (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0)
