# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import inspect


class S:
    def f(self, x):
        return x + len(inspect.signature(self.f).parameters)
