# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    while True:
        os.pipe()
