# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
class S:
    def f(self, x):
        try:
            raise ValueError
        except ValueError as error:
            return x + (error.__traceback__ is not None)
