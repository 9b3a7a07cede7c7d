# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ipaddress
import socket


def f(x):
    return x + (socket.htons(socket.ntohs(80)) == 80 and ipaddress.ip_address('127.0.0.1').is_loopback)
