# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import ipaddress
import socket


def f(x):
    return x + (socket.inet_ntoa(socket.inet_aton('1.1.1.1')) == str(ipaddress.ip_address('1.1.1.1')))
