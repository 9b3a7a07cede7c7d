# {"allowed": ["failed"], "entry": "f", "test": "expected = [1, 2]\nassert f(expected) == [1, 2]"}
def f(values):
    values.append(1)
    return values
