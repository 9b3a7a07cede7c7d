# {"allowed": ["memory"], "entry": "f", "test": "assert f(3) == 4"}
import zlib


def f(x):
    packed = zlib.compress(b'x' * (1 << 24))
    return b''.join(zlib.decompress(packed) for _ in range(1 << 10))
