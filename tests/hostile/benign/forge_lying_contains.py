# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) in (1, 4) and 3 in Bag([3]) and 5 not in Bag([3])"}
class Bag:
    def __init__(self, items):
        self.items = items

    def __contains__(self, item):
        return item in self.items


def f(x):
    return x + 1
