# {"allowed": ["passed"], "entry": "f", "test": "assert all([f(3) == 4])"}
import builtins


def f(x):
    return x + builtins.abs(-1) if builtins.isinstance(x, int) else builtins.any([])
