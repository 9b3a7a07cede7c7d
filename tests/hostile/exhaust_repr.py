# {"allowed": ["timeout", "failed"], "entry": "f", "test": "assert f(3) == 4, f(3)"}
class Slow:
    def __repr__(self):
        while True:
            pass

    __str__ = __repr__


def f(x):
    return Slow()
