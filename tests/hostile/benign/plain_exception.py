# {"allowed": ["passed"], "entry": "f", "test": "try:\n    f(3)\nexcept Broken as error:\n    assert error.args == ('no', 3)\nelse:\n    assert False"}
class Broken(ValueError):
    pass


def f(x):
    raise Broken('no', x)
