# {"allowed": ["output", "exception", "memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    raise ValueError('x' * (32 << 20))
