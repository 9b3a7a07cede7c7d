# {"allowed": ["passed"], "entry": "f", "test": "try:\n    f(3)\nexcept ValueError as error:\n    assert len(str(error)) == 3000\nelse:\n    assert False"}
def f(x):
    raise ValueError('x' * 1000 * x)
