# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes

ctypes.string_at(0)


def f(x):
    return x + 1
