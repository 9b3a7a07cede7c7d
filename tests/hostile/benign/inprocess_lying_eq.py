# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == X().f(3) != X().f(4)"}
class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return isinstance(other, Point) and self.x == other.x

    __hash__ = None


class S:
    def f(self, x):
        return Point(x)
