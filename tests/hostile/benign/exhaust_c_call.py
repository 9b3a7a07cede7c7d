# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == pow(3, 10**6, 10**9 + 7)"}
def f(x):
    return pow(x, 10**6, 10**9 + 7)
