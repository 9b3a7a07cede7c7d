# {"allowed": ["passed"], "entry": "f", "test": "assert check(f(3)) and f(3) == 4"}
import builtins

check = builtins.bool


def f(x):
    return x + 1
