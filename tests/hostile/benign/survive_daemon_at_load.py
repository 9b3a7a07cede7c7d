# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading
import time

threading.Thread(target=time.sleep, args=(0.01,), daemon=True).start()


def f(x):
    return x + 1
