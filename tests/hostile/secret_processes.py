# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)
    for pid in range(1, 3000):
        if pid != os.getpid():
            attempt(f'see {pid}', os.kill, pid, 0)
            attempt(f'command line of {pid}', open, f'/proc/{pid}/cmdline')
    return found[:5]
