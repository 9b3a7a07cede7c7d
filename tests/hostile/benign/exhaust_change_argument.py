# {"allowed": ["passed"], "entry": "f", "test": "values = [3]\nassert f(values) == 4 and values == [3] + [0] * 1000"}
def f(values):
    values.extend([0] * 1000)
    return 4
