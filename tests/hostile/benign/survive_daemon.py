# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading


def f(x):
    done = threading.Event()
    threading.Thread(target=done.set, daemon=True).start()
    return x + done.wait(1)
