# {"allowed": ["memory", "timeout", "exception"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return 1 << (1 << 40)
