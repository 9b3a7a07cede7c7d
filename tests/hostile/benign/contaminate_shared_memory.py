# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import array
import mmap


def f(x):
    with mmap.mmap(-1, 4096) as shared:
        shared[0] = x + 1
        return array.array('B', shared[:1])[0]
