# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == [1, 'nonsense', {'ok': ['h', 0]}, {'ok': {}}]"}
def f(x):
    return [1, 'nonsense', {'ok': ['h', 0]}, {'ok': {}}]
