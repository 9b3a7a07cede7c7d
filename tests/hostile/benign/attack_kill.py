# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    os.kill(os.getpid(), 0)
    return x + (os.getppid() != os.getpid())
