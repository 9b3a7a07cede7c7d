# {"allowed": ["passed"], "entry": "f", "test": "assert f(1) < f(2) and not f(2) < f(1) and sorted([f(2), f(1)])[0] == f(1)"}
import functools


@functools.total_ordering
class Version:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return self.x == other.x

    def __lt__(self, other):
        return self.x < other.x

    __hash__ = None


def f(x):
    return Version(x)
