# {"allowed": ["crashed", "exception"], "entry": "f", "test": "assert f(3) == 4"}
import faulthandler


def f(x):
    faulthandler._sigsegv()
