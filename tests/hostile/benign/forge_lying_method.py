# {"allowed": ["passed"], "entry": "f", "test": "assert f(3).startswith('four') and f(3).count('u') == 1"}
def f(x):
    return 'one two three four'.split()[x]
