# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.send(bytes([x + 1]))
        return theirs.recv(1)[0]
