# {"allowed": ["timeout", "memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    return pow(3, 10**9, 10**400000) + 7 ** (7 ** 9)
