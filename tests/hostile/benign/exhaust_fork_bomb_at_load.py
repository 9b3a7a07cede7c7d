# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os

cores = os.cpu_count()


def f(x):
    return x + (cores >= 1)
