# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 'x' * (1 << 20)"}
def f(x):
    return 'x' * (1 << 20)
