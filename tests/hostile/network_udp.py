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
    def send(family, address):
        with socket.socket(family, socket.SOCK_DGRAM) as end:
            end.sendto(b'x', address)

    attempt('udp', send, socket.AF_INET, ('1.1.1.1', 53))
    attempt('loopback', send, socket.AF_INET, ('127.0.0.1', 9))
    attempt('udp6', send, socket.AF_INET6, ('::1', 9))
    attempt('broadcast', send, socket.AF_INET, ('255.255.255.255', 9))
    return found
