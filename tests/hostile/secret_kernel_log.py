# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import pwd


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('kernel log', lambda: open('/dev/kmsg'))
    attempt('users', lambda: pwd.getpwuid(0).pw_gecos or open('/nowhere'))
    return found
