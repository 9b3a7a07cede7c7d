# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    fd = os.open(os.devnull, os.O_RDONLY)
    os.fstat(fd)
    os.close(fd)
    return x + 1
