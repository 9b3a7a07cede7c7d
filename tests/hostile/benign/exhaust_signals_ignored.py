# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import signal


def f(x):
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, before)
    return x + 1
