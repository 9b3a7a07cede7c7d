# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    pairs = [os.pipe() for _ in range(20)]
    for pair in pairs:
        os.close(pair[0])
        os.close(pair[1])
    return x + len(pairs) // 20
