# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import mmap


def f(x):
    area = mmap.mmap(-1, 32 << 20)
    area.write(b'x' * (32 << 20))
    return x + area.tell() // (32 << 20)
