# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import socket


def f(x):
    kept = [socket.socketpair() for _ in range(10)]
    for ours, theirs in kept:
        ours.close()
        theirs.close()
    return x + len(kept) // 10
