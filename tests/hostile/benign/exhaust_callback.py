# {"allowed": ["passed"], "entry": "f", "test": "assert f(lambda v: v + 1) == 4"}
def f(g):
    return g(g(g(1)))
