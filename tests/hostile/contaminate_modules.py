# {"allowed": ["failed"], "entry": "f", "test": "assert f(3) == 4"}
import random
import sys

sys.modules['json'] = None
sys.modules['collections'] = None
random.random = lambda: 0.5


def f(x):
    return 0
