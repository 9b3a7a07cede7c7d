# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os.path


def f(x):
    return x + (os.path.relpath('/a/b', '/a') == 'b') + os.path.islink('/a/b')
