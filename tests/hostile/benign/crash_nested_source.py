# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
x = ((((((((((1))))))))))


def f(y):
    return ((((((((((y + x))))))))))
