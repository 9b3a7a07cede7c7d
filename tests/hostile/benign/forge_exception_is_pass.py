# {"allowed": ["passed"], "entry": "f", "test": "try:\n    f(3)\nexcept Passed as error:\n    assert error.args == (3,)\nelse:\n    assert False"}
class Passed(Exception):
    pass


def f(x):
    raise Passed(x)
