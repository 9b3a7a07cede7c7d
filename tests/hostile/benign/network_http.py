# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import urllib.parse
import urllib.request


def f(x):
    request = urllib.request.Request('http://example.org/a?b=1')
    return x + len(urllib.parse.parse_qs(urllib.parse.urlsplit(request.full_url).query))
