# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import sys


def f(x):
    print('passed', 'failed', file=sys.stderr)
    return x + 1
