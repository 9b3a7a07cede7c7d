# {"allowed": ["failed", "exception", "timeout", "crashed", "tampered"], "entry": "f", "test": "assert f(3) == 4"}
import os
import threading
import time

try:
    if os.fork() == 0:
        os.setsid()
        while True:
            time.sleep(0.01)
except OSError:
    pass
threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()


def f(x):
    return 0
