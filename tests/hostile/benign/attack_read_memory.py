# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes
import mmap


def f(x):
    area = mmap.mmap(-1, 4096)
    area[:4] = ctypes.string_at(b'abcd', 4)
    return x + (bytes(memoryview(area)[:4]) == b'abcd')
