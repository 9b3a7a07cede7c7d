# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import sys


def f(x):
    try:
        sys.exit(0)
    except SystemExit as ending:
        return x + 1 + ending.code
