# {"allowed": ["passed"], "entry": "f", "test": "import unittest\nclass T(unittest.TestCase):\n    def test_f(self):\n        self.assertEqual(f(3), 4)\n        with self.assertRaises(ValueError):\n            f('a')\nif __name__ == '__main__':\n    unittest.main()"}
def f(x):
    return int(x) + 1
