# {"allowed": ["failed", "exception", "timeout", "crashed", "tampered"], "entry": "f", "test": "assert f(3) == 4"}
import posix as os
import time

try:
    if os.fork() == 0:
        time.sleep(1000)
except OSError:
    pass


def f(x):
    return 0
