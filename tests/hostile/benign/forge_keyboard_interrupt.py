# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        return x + 1
