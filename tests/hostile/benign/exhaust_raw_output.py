# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    return x + os.write(1, b'x' * 4096) // 4096
