# {"allowed": ["passed"], "entry": "f", "test": "assert isinstance(f(3), Number) and f(3).kind == 'number'"}
class Number:
    @property
    def kind(self):
        return 'number'


def f(x):
    return Number()
