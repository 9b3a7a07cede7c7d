# {"allowed": ["exception", "timeout", "crashed"], "entry": "f", "test": "assert f(lambda v: v + 1) == 4"}
def f(g):
    return f(lambda v: g(g(v)))(1)
