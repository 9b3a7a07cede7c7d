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

    for folder in ('/', '/tmp', '/dev/shm', '/var/tmp', '/run', '/jail', '/python', '/etc', '/root', '/home', '.'):
        attempt('write ' + folder, open, folder + '/left-behind', 'w')
        attempt('mkdir ' + folder, os.mkdir, folder + '/left-behind-folder')
    return found
