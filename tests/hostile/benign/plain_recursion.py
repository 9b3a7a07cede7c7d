# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    def down(n):
        return 0 if n == 0 else 1 + down(n - 1)

    return down(800) - 800 + x + 1
