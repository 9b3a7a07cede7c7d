# {"allowed": ["passed"], "entry": "f", "test": "assert next(f(4)) == 4 and list(f(4)) == [4]"}
class Once:
    def __init__(self, x):
        self.left = [x]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration(4)
        return self.left.pop()


def f(x):
    return Once(x)
