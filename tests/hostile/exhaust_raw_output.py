# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    while True:
        os.write(1, b'x' * 4096)
