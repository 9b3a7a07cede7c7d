# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import faulthandler


def f(x):
    return x + (not faulthandler.is_enabled())
