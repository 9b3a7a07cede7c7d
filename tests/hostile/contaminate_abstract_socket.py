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
    def leave(kind):
        end = socket.socket(socket.AF_UNIX, kind)
        end.bind('\0left-behind')

    attempt('stream', leave, socket.SOCK_STREAM)
    attempt('datagram', leave, socket.SOCK_DGRAM)
    return found
