# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert f(3) in (1, 2, 3)"}
class Liar:
    def __eq__(self, other):
        return True

    __hash__ = None


def f(x):
    return Liar()
