# {"allowed": ["failed"], "entry": "f", "test": "assert f(3) == 4"}
import threading
import time


def f(x):
    for _ in range(4):
        threading.Thread(target=time.sleep, args=(1000,)).start()
    return 0
