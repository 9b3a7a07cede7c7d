# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    try:
        print('x' * 4096)
    except OSError:
        pass
    return x + 1
