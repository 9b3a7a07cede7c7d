# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4 and S.made == ['X']"}
class S:
    made = []

    def __init_subclass__(cls):
        S.made.append(cls.__name__)

    def f(self, x):
        return x + 1
