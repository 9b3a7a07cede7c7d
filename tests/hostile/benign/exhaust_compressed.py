# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import zlib


def f(x):
    packed = zlib.compress(b'x' * (1 << 20))
    return x + len(zlib.decompress(packed)) // (1 << 20)
