# {"allowed": ["timeout", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import signal


def f(x):
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
