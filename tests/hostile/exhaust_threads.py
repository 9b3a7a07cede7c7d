# {"allowed": ["exception", "timeout", "memory"], "entry": "f", "test": "assert f(3) == 4"}
import threading
import time


def f(x):
    while True:
        threading.Thread(target=time.sleep, args=(1000,)).start()
