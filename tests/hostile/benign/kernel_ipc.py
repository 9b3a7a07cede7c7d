# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import queue
import threading


def f(x):
    box = queue.Queue()
    with threading.Semaphore(1):
        box.put(x + 1)
    return box.get()
