# {"allowed": ["output", "memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return 'x' * (64 << 20)
