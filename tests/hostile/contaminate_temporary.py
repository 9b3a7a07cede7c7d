# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import tempfile


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)
    def deep():
        os.mkdir('/tmp/left-behind')
        os.chdir('/tmp/left-behind')
        for _ in range(1500):
            os.mkdir('a')
            os.chdir('a')

    attempt('file', tempfile.mkstemp, '', 'left-behind', '/tmp')
    attempt('folder', tempfile.mkdtemp, '', 'left-behind', '/tmp')
    attempt('deep', deep)
    return found
