# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
for _ in range(100):
    print('x' * 1000)


def f(x):
    return x + 1
