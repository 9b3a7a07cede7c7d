# {"allowed": ["passed"], "entry": "f", "test": "assert f(3)(2) == 5"}
def f(x):
    return lambda y: x + y
