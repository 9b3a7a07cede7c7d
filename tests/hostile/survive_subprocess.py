# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import subprocess


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('subprocess', subprocess.run, ['/bin/sh', '-c', 'sleep 1000 &'])
    attempt('system', lambda: os.system('sleep 1000 &') == 0 or open('/nowhere'))
    attempt('spawn', os.posix_spawn, '/bin/sleep', ['sleep', '1000'], {})
    return found
