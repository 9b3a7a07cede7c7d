# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import glob
import os


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)
    for home in ('~', '~root', '/root', '/home/user', *glob.glob('/home/*')):
        for name in ('.bash_history', '.netrc', '.gitconfig', '.aws/credentials', '.config', '.cache', '.secret'):
            path = os.path.join(os.path.expanduser(home), name)
            attempt('open ' + path, open, path)
            attempt('list ' + path, os.listdir, path)
    return found
