# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert all(map(lambda x: f(x) == x + 1, [1, 2, 3]))"}
def f(x):
    raise StopIteration
