# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket(fileno=ours.detach()) as again:
        again.send(b'a')
        return x + len(theirs.recv(9))
