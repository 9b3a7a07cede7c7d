# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return x + (1 << (1 << 20)).bit_length() // (1 << 20)
