# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        ours.close()
        theirs.close()
    return x + 1
