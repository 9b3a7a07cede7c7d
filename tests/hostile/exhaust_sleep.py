# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == 4"}
import time


def f(x):
    time.sleep(1000)
