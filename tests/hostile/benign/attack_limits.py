# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
import resource


def f(x):
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    return x + (soft > 0)
