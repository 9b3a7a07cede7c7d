# {"allowed": ["output", "memory", "exception", "failed"], "entry": "f", "test": "values = [3]\nassert f(values) == 4 and values == [3]"}
def f(values):
    values.extend([0] * (1 << 24))
    return 4
