# {"allowed": ["crashed", "failed", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import os
import threading


def f(x):
    threading.Thread(target=os._exit, args=(0,)).start()
    while True:
        pass
