# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import stat


def f(x):
    mode = os.stat(os.__file__).st_mode
    return x + 1 if stat.S_ISREG(mode) else 0
