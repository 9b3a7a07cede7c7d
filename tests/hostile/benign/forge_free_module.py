# {"allowed": ["passed"], "entry": "f", "test": "assert math.isclose(f(3), 4)"}
import math


def f(x):
    return math.fsum([x, 1.0])
