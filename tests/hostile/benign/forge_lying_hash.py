# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) in {1, 2, 4} and {f(3): 1} == {4: 1}"}
def f(x):
    return {x: x + 1}.get(x)
