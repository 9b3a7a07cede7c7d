# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import os


class S:
    def f(self, x):
        return x + len(os.path.split('/a')) - 1
