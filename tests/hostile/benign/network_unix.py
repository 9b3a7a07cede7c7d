# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    ours.sendall(b'abc')
    ours.close()
    return x + len(theirs.recv(9)) // 3
