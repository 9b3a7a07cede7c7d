# {"allowed": ["passed"], "entry": "f", "test": "import itertools\nassert list(itertools.islice(f(3), 3)) == [3, 3, 3]"}
def f(x):
    while True:
        yield x
