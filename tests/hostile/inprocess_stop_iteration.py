# {"allowed": ["exception", "failed"], "entry": "S", "test": "class X(S):\n    pass\nassert all(map(lambda x: X().f(x) == x + 1, [1, 2])) and X().f(3) == 4"}
class S:
    def f(self, x):
        raise StopIteration
