# {"allowed": ["memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return '%2000000000d' % x
