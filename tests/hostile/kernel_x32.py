# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes
import os


def f(x):
    if os.uname().machine != 'x86_64':
        os.abort()
    ctypes.CDLL(None).syscall(0x40000000 + 39)
    return 4
