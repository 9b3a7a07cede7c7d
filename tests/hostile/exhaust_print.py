# {"allowed": ["output"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    while True:
        print('x' * 4096)
