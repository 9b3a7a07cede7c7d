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

    def trace(request, pid):
        if libc.ptrace(request, pid, 0, 0) < 0:
            raise OSError(ctypes.get_errno(), 'ptrace')

    attempt('attach', trace, 16, os.getppid())
    attempt('seize', trace, 0x4206, os.getppid())
    attempt('traceme', trace, 0, 0)
    return found
