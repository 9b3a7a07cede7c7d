# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return x + len('%100000d' % x) // 100000
