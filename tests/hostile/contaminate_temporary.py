# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import os
import tempfile


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError):
            return
        found.append(name)

    attempt('file', tempfile.mkstemp)
    attempt('folder', tempfile.mkdtemp)
    attempt('deep', os.makedirs, '/tmp/' + 'a/' * 1500)
    return found
