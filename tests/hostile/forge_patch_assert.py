# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import sys

sys.modules['__main__'] = None
sys.flags = None
__debug__ is True


def f(x):
    return 0
