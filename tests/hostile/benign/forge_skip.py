# {"allowed": ["passed"], "entry": "f", "test": "import unittest\nclass T(unittest.TestCase):\n    @unittest.skip('later')\n    def test_g(self):\n        pass\n    def test_f(self):\n        self.assertEqual(f(3), 4)"}
import unittest


def f(x):
    return x + issubclass(unittest.SkipTest, Exception)
