# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    for _ in range(100):
        print('x' * 1000)
    return x + 1
