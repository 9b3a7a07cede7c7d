# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading

ready = []
thread = threading.Thread(target=ready.append, args=(1,))
thread.start()
thread.join()


def f(x):
    return x + len(ready)
