# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4 and f(3) == 4 and f(3) == 4"}
import gc
import struct


def f(x):
    gc.collect()
    return struct.unpack('!I', struct.pack('!I', x))[0] + 1
