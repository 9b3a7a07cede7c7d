# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import time


def f(x):
    time.sleep(0.05)
    return x + 1
