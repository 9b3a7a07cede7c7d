# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import fcntl
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('tty', open, '/dev/tty')
    attempt('console', open, '/dev/console')
    attempt('pts', os.listdir, '/dev/pts/0')
    attempt('inject', lambda: fcntl.ioctl(0, 0x5412, b'x'))
    return found
