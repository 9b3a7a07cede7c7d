# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    kept = []
    while True:
        kept.append(socket.socketpair())
