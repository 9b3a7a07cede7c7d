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
        attempt('clock_settime', call, 227, 0, 0)
        attempt('settimeofday', call, 164, 0, 0)
        attempt('adjtimex', call, 159, 0)
        attempt('sched_setscheduler', call, 144, 0, 1, 0)
        attempt('setpriority', call, 141, 0, 0, -20)
        attempt('ioprio_set', call, 251, 1, 0, 0)
        attempt('sched_setaffinity', call, 203, 0, 8, 0)
        attempt('sethostname', call, 170, b'x', 1)
        attempt('reboot', call, 169, 0, 0, 0, 0)
        attempt('swapoff', call, 168, b'/')
        attempt('personality', call, 135, 0x0040000)
        attempt('syslog', call, 103, 3, 0, 0)
    return found
