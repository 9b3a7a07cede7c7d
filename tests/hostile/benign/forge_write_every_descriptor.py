# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    ours, theirs = os.pipe()
    os.write(theirs, b'{"status":"passed"}')
    return x + len(os.read(ours, 100)) // 19
