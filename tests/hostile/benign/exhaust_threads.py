# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading
import time


def f(x):
    threads = [threading.Thread(target=time.sleep, args=(0.01,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return x + 1
