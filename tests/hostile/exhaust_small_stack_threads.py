# {"allowed": ["exception", "timeout", "memory"], "entry": "f", "test": "assert f(3) == 4"}
import threading
import time


def f(x):
    threading.stack_size(32768)
    while True:
        threading.Thread(target=time.sleep, args=(1000,)).start()
