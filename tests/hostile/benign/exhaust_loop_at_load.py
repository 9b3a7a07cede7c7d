# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
total = 0
while total < 200000:
    total += 1


def f(x):
    return x + total // 200000
