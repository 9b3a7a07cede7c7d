# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
class S:
    def f(self, x):
        try:
            raise SystemExit(1)
        except SystemExit as ending:
            return x + ending.code
