# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == f(3) and not f(3) == f(4) and f(3) != 3"}
class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Point) and self.x == other.x

    def __hash__(self):
        return hash(self.x)


def f(x):
    return Point(x)
