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
        attempt('unshare user', call, 272, 0x10000000)
        attempt('unshare net', call, 272, 0x40000000)
        attempt('setns', call, 308, 0, 0)
        attempt('clone user', call, 56, 0x10000011, 0, 0, 0, 0)
        attempt('clone pid', call, 56, 0x20000011, 0, 0, 0, 0)
        attempt('clone parent', call, 56, 0x8011, 0, 0, 0, 0)
        attempt('clone3', call, 435, 0, 0)
    return found
