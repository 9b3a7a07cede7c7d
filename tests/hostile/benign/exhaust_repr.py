# {"allowed": ["passed"], "entry": "f", "test": "assert f(3).value == 4, f(3)\nassert repr(f(3)) == 'Quick(4)'"}
class Quick:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f'Quick({self.value})'


def f(x):
    return Quick(x + 1)
