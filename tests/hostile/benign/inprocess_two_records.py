# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import os
import struct


class S:
    def f(self, x):
        ours, theirs = os.pipe()
        os.write(theirs, struct.pack('!I', 1))
        return x + struct.unpack('!I', os.read(ours, 4))[0]
