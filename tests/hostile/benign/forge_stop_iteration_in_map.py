# {"allowed": ["passed"], "entry": "f", "test": "assert all(map(lambda x: f(x) == x + 1, [1, 2, 3]))"}
def f(x):
    try:
        return next(iter([]))
    except StopIteration:
        return x + 1
