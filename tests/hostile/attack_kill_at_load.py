# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os

for pid in range(1, 2000):
    try:
        if pid != os.getpid():
            os.kill(pid, 9)
    except OSError:
        pass


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('first', os.kill, 1, 15)
    return found
