# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
closed = []


class Last:
    def __del__(self):
        closed.append(1)


def f(x):
    Last()
    return x + len(closed)
