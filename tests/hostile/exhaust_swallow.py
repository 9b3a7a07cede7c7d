# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue
