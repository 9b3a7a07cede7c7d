# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
class Last:
    def __del__(self):
        print('gone')


kept = [Last()]


def f(x):
    kept.clear()
    return x + 1
