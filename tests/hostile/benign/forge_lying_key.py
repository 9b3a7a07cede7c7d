# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == {'a': 1}"}
class Key(str):
    def __hash__(self):
        return str.__hash__(self)


def f(x):
    return {str(Key('a')): 1}
