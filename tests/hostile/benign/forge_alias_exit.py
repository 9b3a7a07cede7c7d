# {"allowed": ["passed"], "entry": "f", "test": "helper(f(3))\nassert f(3) == 4"}
import math

helper = math.sqrt


def f(x):
    return x + 1
