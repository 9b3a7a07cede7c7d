# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('symlink', os.symlink, '/etc/passwd', '/tmp/a')
    attempt('link', os.link, '/usr/lib/os-release', '/tmp/b')
    attempt('mkfifo', os.mkfifo, '/tmp/c')
    attempt('mknod', os.mknod, '/tmp/d')
    return found
