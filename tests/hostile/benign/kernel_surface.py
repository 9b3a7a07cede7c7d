# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes
import os


def f(x):
    libc = ctypes.CDLL(None)
    return x + (libc.getpid() == os.getpid())
