# {"allowed": ["failed", "timeout", "exception", "crashed", "tampered"], "entry": "f", "test": "assert f(3) == 4"}
import os
import signal

for number in range(1, 65):
    try:
        signal.signal(number, lambda *_: os.fork())
    except (OSError, ValueError):
        pass
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)


def f(x):
    return 0
