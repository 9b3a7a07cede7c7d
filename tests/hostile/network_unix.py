# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import socket


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    for path in ('/run/docker.sock', '/var/run/docker.sock', '\0abstract', '/tmp/socket'):
        def connect():
            end = socket.socket(socket.AF_UNIX)
            end.connect(path)
        def listen():
            end = socket.socket(socket.AF_UNIX)
            end.bind(path)
        attempt('connect ' + path, connect)
        attempt('bind ' + path, listen)
    return found
