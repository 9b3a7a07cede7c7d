# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    fd = os.memfd_create('a')
    while True:
        os.write(fd, b'x' * (1 << 20))
