# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == (float('inf'), 2**64 - 1)"}
def f(x):
    return float('inf'), 2**64 - 1
