# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes


def f(x):
    ctypes.string_at(0)
