# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import os


def f(x):
    return x + (os.path.ismount('/') and not os.path.ismount('/usr/lib/none'))
