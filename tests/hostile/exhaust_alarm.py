# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import signal
import time


def f(x):
    signal.alarm(1)
    time.sleep(100)
