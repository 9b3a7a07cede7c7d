# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
held = ['x' * (1 << 20) for _ in range(40)]


def f(x):
    return x + len(held) // 40
