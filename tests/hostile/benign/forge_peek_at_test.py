# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import glob
import os


def f(x):
    return x + (os.path.dirname(os.__file__) in glob.glob(os.path.dirname(os.__file__)))
