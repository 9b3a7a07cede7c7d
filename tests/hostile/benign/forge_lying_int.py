# {"allowed": ["passed"], "entry": "f", "test": "assert f(3).value == 4"}
class Number(int):
    @property
    def value(self):
        return int(self)


def f(x):
    return Number(x + 1)
