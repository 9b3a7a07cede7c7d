# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import sys


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    for folder in (p for p in sys.path if p):
        attempt('write ' + folder, open, folder + '/left-behind.pth', 'w')
    attempt('pycache', os.mkdir, os.path.dirname(os.__file__) + '/__pycache__/left-behind')
    return found
