# {"allowed": ["failed"], "entry": "f", "test": "assert f(3) == 4"}
import builtins
import sys


class Finder:
    def find_spec(self, *_):
        raise RecursionError


sys.meta_path.insert(0, Finder())
sys.path_hooks.insert(0, Finder)
sys.path.clear()
builtins.__import__ = None


def f(x):
    return 0
