# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import threading


def f(x):
    threading.stack_size(1 << 18)
    found = []
    threads = [threading.Thread(target=found.append, args=(1,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return x + len(found) // 3
