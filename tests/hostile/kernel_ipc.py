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
        attempt('shmget', call, 29, 0, 4096, 0o1600)
        attempt('msgget', call, 68, 0, 0o1600)
        attempt('semget', call, 64, 0, 1, 0o1600)
        attempt('mq_open', call, 240, b'a', 66, 0o600, 0)
    return found
