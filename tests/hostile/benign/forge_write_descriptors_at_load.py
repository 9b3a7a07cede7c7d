# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os
import struct

ours, theirs = os.pipe()
os.write(theirs, struct.pack('!I', 1))


def f(x):
    return x + struct.unpack('!I', os.read(ours, 4))[0]
