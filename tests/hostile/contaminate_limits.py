# {"allowed": ["failed", "exception", "crashed", "tampered"], "entry": "f", "test": "assert f(3) == 4"}
import resource
import sys

resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
sys.setrecursionlimit(60)


def f(x):
    return 0
