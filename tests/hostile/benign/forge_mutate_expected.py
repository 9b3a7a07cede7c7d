# {"allowed": ["passed"], "entry": "f", "test": "expected = [1, 2]\nassert f(expected) == [1, 2, 1] and expected == [1, 2]"}
def f(values):
    return values + [1]
