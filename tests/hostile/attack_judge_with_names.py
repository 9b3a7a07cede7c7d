# {"allowed": ["failed", "exception", "tampered"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    made = type('a' * 100000, (), {'__name__': '\ud800'})
    made.__module__ = 'math'
    made.__qualname__ = 'pi'
    return [made, made(), type('\ud800', (Exception,), {})]
