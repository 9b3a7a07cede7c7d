# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes
import os


def f(x):
    return x + (ctypes.CDLL(None).getppid() == os.getppid())
