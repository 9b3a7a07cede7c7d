# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert f(3) == {'a': 1}"}
class Liar:
    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash('a')


def f(x):
    return {Liar(): 1}
