# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import struct


class S:
    def f(self, x):
        return struct.calcsize('i') + x - 3
