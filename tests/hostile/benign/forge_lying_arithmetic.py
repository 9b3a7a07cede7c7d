# {"allowed": ["passed"], "entry": "f", "test": "assert abs(f(3) - 4) < 1e-6"}
def f(x):
    return x + 1 + 1e-9
