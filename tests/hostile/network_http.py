# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [], f(3)"}
import urllib.request


def f(x):
    found = []

    def attempt(name, function, *arguments):
        try:
            function(*arguments)
        except (OSError, ValueError, AttributeError, ImportError, LookupError, RecursionError, TypeError):
            return
        found.append(name)

    attempt('http', urllib.request.urlopen, 'http://1.1.1.1/', None, 1)
    attempt('https', urllib.request.urlopen, 'https://example.org/', None, 1)
    return found
