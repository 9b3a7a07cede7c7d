# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
from multiprocessing import shared_memory


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('shm', shared_memory.SharedMemory, 'left', True, 4096)
    attempt('semaphore', lambda: __import__('multiprocessing').Semaphore(1))
    return found
