# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import gc
import sys
import warnings


def f(x):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        gc.collect()
        return x + (sys.getswitchinterval() > 0)
