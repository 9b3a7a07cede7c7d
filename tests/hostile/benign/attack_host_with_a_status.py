# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    return x + 1 if os.WIFSIGNALED(9) and os.WEXITSTATUS(256) == 1 else 0
