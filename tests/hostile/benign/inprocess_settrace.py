# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import functools

calls = []


def traced(function):
    @functools.wraps(function)
    def run(*arguments):
        calls.append(function.__name__)
        return function(*arguments)

    return run


class S:
    @traced
    def f(self, x):
        return x + len(calls)
