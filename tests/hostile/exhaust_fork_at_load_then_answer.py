# {"allowed": ["failed", "exception", "timeout", "memory", "output", "crashed", "tampered", "refused"], "entry": "f", "test": "assert f(3) == 4"}
import posix as os

try:
    while True:
        os.fork()
except OSError:
    pass


def f(x):
    return 0
