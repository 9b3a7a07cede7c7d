# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == f(3)"}
class Slow:
    def __eq__(self, other):
        while True:
            pass

    __hash__ = None


def f(x):
    return Slow()
