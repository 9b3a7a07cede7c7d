# {"allowed": ["output", "exception", "failed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    value = []
    for _ in range(100000):
        value = [value]
    return value
