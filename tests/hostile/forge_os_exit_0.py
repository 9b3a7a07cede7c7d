# {"allowed": ["crashed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    os._exit(0)
