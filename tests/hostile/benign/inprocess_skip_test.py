# {"allowed": ["passed"], "entry": "S", "test": "import unittest\nclass X(S):\n    pass\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(X().f(3), 4)"}
import unittest


class S:
    def f(self, x):
        return x + issubclass(unittest.SkipTest, Exception)
