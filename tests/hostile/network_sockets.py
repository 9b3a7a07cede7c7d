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

    for family in range(0, 45):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
            attempt(f'{family} {kind}', socket.socket, family, kind)
    return found
