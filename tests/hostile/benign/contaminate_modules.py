# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import collections
import json
import random
import sys


def f(x):
    random.seed(x)
    return x + (sys.modules['json'] is json and collections.Counter('a')['a'] == 1 and 0 <= random.random() < 1)
