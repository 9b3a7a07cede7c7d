# {"allowed": ["exception", "timeout"], "entry": "f", "test": "assert f(3) == 4"}
import posix as os


def f(x):
    while True:
        os.fork()
