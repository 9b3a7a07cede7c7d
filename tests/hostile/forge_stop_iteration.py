# {"allowed": ["exception", "failed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    raise StopIteration(4)
