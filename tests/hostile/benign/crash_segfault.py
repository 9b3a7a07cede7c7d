# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes


def f(x):
    return x + len(ctypes.string_at(b'a'))
