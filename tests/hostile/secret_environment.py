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

    for name in os.environ:
        if name not in ('LC_ALL', 'LC_CTYPE', 'TZ', 'PYTHONHASHSEED', 'PYTHONPATH', 'PYTHONDONTWRITEBYTECODE', 'LD_LIBRARY_PATH', 'PWD'):
            found.append(name)
    attempt('environ of the first', open, '/proc/1/environ', 'rb')
    attempt('own environ', open, '/proc/self/environ', 'rb')
    return found
