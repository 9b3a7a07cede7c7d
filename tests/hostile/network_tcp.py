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

    attempt('tcp', socket.create_connection, ('1.1.1.1', 80), 1)
    attempt('loopback', socket.create_connection, ('127.0.0.1', 22), 1)
    attempt('dns', socket.getaddrinfo, 'example.org', 80)
    attempt('listen', socket.create_server, ('127.0.0.1', 0))
    return found
