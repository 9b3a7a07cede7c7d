# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import ctypes
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *arguments):
        if libc.syscall(number, *arguments) < 0:
            raise OSError(ctypes.get_errno(), 'call')

    if os.uname().machine == 'x86_64':
        attempt('setuid 0', call, 105, 0)
        attempt('setresuid 0', call, 117, 0, 0, 0)
        attempt('setgid', call, 106, 0)
        attempt('setgroups', call, 116, 0, 0)
        attempt('capset', call, 126, 0, 0)
        attempt('keyctl', call, 250, 0, 0, 0)
        attempt('add_key', call, 248, b'user', b'a', b'b', 1, 0)
        attempt('request_key', call, 249, b'user', b'a', 0, 0)
    return found
