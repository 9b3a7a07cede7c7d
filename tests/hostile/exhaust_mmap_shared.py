# {"allowed": ["memory", "exception", "crashed", "timeout"], "entry": "f", "test": "assert f(3) == 4"}
import mmap


def f(x):
    held = []
    while True:
        area = mmap.mmap(-1, 64 << 20)
        area.write(b'x' * (64 << 20))
        held.append(area)
