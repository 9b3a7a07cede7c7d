# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
class Number(int):
    pass


class S:
    def f(self, x):
        return Number(x + 1)
