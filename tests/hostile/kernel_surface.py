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
        attempt('io_uring_setup', call, 425, 8, 0)
        attempt('userfaultfd', call, 323, 1)
        attempt('bpf', call, 321, 0, 0, 0)
        attempt('perf_event_open', call, 298, 0, 0, -1, -1, 0)
        attempt('memfd_create', call, 319, b'a', 0)
        attempt('memfd_secret', call, 447, 0)
        attempt('name_to_handle_at', call, 303, -100, b'/', 0, 0, 0)
        attempt('open_by_handle_at', call, 304, -1, 0, 0)
        attempt('fanotify_init', call, 300, 0, 0)
        attempt('inotify_init', call, 294, 0)
        attempt('quotactl', call, 179, 0, 0, 0, 0)
        attempt('kexec_load', call, 246, 0, 0, 0, 0)
        attempt('init_module', call, 175, 0, 0, 0)
        attempt('seccomp', call, 317, 1, 0, 0)
        attempt('landlock', call, 444, 0, 0, 1)
    return found
