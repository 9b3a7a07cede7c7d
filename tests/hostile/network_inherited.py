# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import socket
import stat


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)
    for fd in range(3, 256):
        try:
            if not stat.S_ISSOCK(os.fstat(fd).st_mode):
                continue
            end = socket.socket(fileno=os.dup(fd))
        except OSError:
            continue
        if end.family != socket.AF_UNIX:
            found.append(fd)
        attempt(f'listen {fd}', end.listen)
        attempt(f'connect {fd}', end.connect, '/run/docker.sock')
    return found
