# {"allowed": ["output", "timeout"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    while True:
        try:
            print('x' * 4096)
        except BaseException:
            pass
