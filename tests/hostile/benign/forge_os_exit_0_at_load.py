# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os

name = os.path.splitext('a.py')[0]


def f(x):
    return x + len(name)
