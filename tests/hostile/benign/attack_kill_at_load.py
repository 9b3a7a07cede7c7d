# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import signal

caught = []
signal.signal(signal.SIGUSR1, lambda *_: caught.append(1))
os.kill(os.getpid(), signal.SIGUSR1)


def f(x):
    return x + len(caught)
