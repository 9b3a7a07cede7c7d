# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import signal
import time


def f(x):
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    time.sleep(100)
