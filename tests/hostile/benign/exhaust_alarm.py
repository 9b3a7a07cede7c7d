# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import signal
import time


def f(x):
    caught = []
    signal.signal(signal.SIGALRM, lambda *_: caught.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
    time.sleep(0.05)
    return x + len(caught)
