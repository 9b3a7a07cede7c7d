# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    print('working', x)
    return x + 1
