# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    value = []
    value.append(value)
    return x + len(value[0][0])
