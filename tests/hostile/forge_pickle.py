# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import copyreg
import os


class Bomb:
    def __reduce__(self):
        return os._exit, (0,)

    __reduce_ex__ = lambda self, _: (os._exit, (0,))


copyreg.pickle(Bomb, lambda _: (os._exit, (0,)))


def f(x):
    return Bomb()
