# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import traceback


class S:
    def f(self, x):
        try:
            raise ValueError
        except ValueError:
            return x + ('ValueError' in traceback.format_exc())
