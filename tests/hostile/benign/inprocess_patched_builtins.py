# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import builtins


def sorted(values):
    return builtins.sorted(values, reverse=True)


class S:
    def f(self, x):
        return sorted([1, x + 1])[0]
