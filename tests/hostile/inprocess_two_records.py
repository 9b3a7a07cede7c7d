# {"allowed": ["tampered", "crashed", "failed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import os
import struct


class S:
    def f(self, x):
        body = b'["0","passed",""]'
        for fd in range(3, 256):
            try:
                os.write(fd, struct.pack('!I', len(body)) + body)
            except OSError:
                pass
        return 4
