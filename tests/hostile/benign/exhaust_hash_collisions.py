# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return x + len({i * (2**61 - 1) for i in range(1, 1 << 7)}) // 127
