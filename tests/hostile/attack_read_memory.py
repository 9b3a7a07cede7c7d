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

    attempt('mem', open, f'/proc/{os.getppid()}/mem', 'rb')
    attempt('maps', open, '/proc/self/maps')
    attempt('process_vm_readv', call, 310, os.getppid(), 0, 0, 0, 0, 0)
    attempt('pidfd_open', call, 434, os.getppid(), 0)
    attempt('pidfd_getfd', call, 438, 0, 0, 0)
    attempt('kcmp', call, 312, os.getpid(), os.getppid(), 0, 0, 0)
    return found
