# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    held = []
    while len(held) < 50:
        held.append(bytearray(1 << 20))
    return x + len(held) // 50
