# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == f(3) and f(3) != f(4)"}
class Number:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    __hash__ = None


def f(x):
    return Number(x)
