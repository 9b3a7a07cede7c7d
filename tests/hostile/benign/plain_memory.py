# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    data = bytearray(64 << 20)
    return x + 1 + data[0]
