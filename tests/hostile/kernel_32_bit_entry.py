# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import ctypes
import mmap
import os


def f(x):
    if os.uname().machine != 'x86_64':
        os.abort()
    area = mmap.mmap(-1, 4096, prot=7)
    area.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
    return 4
