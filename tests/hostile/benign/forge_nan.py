# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) != f(3)"}
def f(x):
    return float('nan')
