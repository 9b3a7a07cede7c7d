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
        attempt('mount', call, 165, b'none', b'/tmp', b'tmpfs', 0, 0)
        attempt('umount', call, 166, b'/tmp', 2)
        attempt('pivot_root', call, 155, b'/', b'/tmp')
        attempt('chroot', call, 161, b'/tmp')
        attempt('fsopen', call, 430, b'tmpfs', 0)
        attempt('open_tree', call, 428, -100, b'/', 0)
        attempt('move_mount', call, 429, -1, b'', -1, b'', 0)
    return found
