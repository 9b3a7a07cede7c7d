# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    number = 0
    while True:
        os.mkdir(f'/tmp/{number}')
        number += 1
