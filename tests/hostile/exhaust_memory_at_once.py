# {"allowed": ["memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return [0] * (1 << 40)
