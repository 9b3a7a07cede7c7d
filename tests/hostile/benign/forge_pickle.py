# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import copy
import pickle


class Pair:
    def __init__(self, a):
        self.a = a

    def __reduce__(self):
        return Pair, (self.a,)


def f(x):
    return copy.copy(Pair(pickle.loads(pickle.dumps(x)))).a + 1
