# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import mmap
import os


def f(x):
    area = mmap.mmap(-1, 4096, prot=3)
    area.write(bytes([0xB8, 20, 0, 0, 0, 0xCD, 0x80, 0xC3]))
    return x + (area[7] == 0xC3 and bool(os.uname().machine))
