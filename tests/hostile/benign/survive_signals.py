# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import signal

caught = []
signal.signal(signal.SIGALRM, lambda *_: caught.append(1))


def f(x):
    signal.raise_signal(signal.SIGALRM)
    return x + len(caught)
