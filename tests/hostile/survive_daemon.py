# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import posix as os
import time


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    def daemon():
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(1000)
            os._exit(0)

    attempt('daemon', daemon)
    return found
