# {"allowed": ["failed", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import gc
import sys
import warnings

gc.disable()
gc.freeze()
sys.setswitchinterval(1e-6)
sys.set_int_max_str_digits(640)
warnings.simplefilter('error')
sys.stdout = sys.stderr = sys.stdin = None


def f(x):
    return 0
