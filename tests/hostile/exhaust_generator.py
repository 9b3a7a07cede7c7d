# {"allowed": ["timeout", "output", "memory"], "entry": "f", "test": "assert list(f(3)) == [3]"}
def f(x):
    while True:
        yield x
