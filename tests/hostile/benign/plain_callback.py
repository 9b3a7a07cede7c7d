# {"allowed": ["passed"], "entry": "f", "test": "assert f(lambda v: v * 2, [1, 2]) == [2, 4]"}
def f(g, values):
    return [g(v) for v in values]
