# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import re


def f(x):
    return x + bool(re.match(r'(a+)+$', 'a' * 60))
