# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import posix as os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('parent', os.kill, os.getppid(), 9)
    attempt('all', os.kill, -1, 9)
    attempt('first', os.kill, 1, 9)
    attempt('group', os.killpg, 0, 9)
    attempt('group of parent', os.kill, 0, 9)
    return found
