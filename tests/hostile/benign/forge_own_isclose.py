# {"allowed": ["passed"], "entry": "f", "test": "import math\nassert math.isclose(f(3), 4)"}
class math:
    @staticmethod
    def plus(a, b):
        return a + b


def f(x):
    return math.plus(x, 1.0)
