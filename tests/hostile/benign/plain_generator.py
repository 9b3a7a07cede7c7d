# {"allowed": ["passed"], "entry": "f", "test": "assert list(f(3)) == [0, 1, 2]\nassert next(f(1)) == 0"}
def f(n):
    yield from range(n)
