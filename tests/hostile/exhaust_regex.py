# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == 4"}
import re


def f(x):
    return re.match(r'(a+)+$', 'a' * 60 + 'b')
