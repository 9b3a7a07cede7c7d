# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes


def f(x):
    class Pair(ctypes.Structure):
        _fields_ = [('a', ctypes.c_int), ('b', ctypes.c_int)]

    return Pair(x, 1).a + ctypes.sizeof(Pair) // 8
