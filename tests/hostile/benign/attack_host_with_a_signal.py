# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import signal
import struct


def f(x):
    return struct.unpack('!I', struct.pack('!I', x))[0] + (signal.Signals(9) is signal.SIGKILL)
