# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import io
import os


def f(x):
    ours, theirs = os.pipe()
    os.write(theirs, b'x' * 1000)
    return x + len(io.FileIO(ours).read(1000)) // 1000
