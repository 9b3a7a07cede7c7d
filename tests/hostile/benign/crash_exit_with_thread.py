# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading


def f(x):
    found = []
    thread = threading.Thread(target=found.append, args=(x + 1,))
    thread.start()
    thread.join()
    return found[0]
