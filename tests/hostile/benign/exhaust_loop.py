# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    count = 0
    while count < 200000:
        count += 1
    return x + count // 200000
