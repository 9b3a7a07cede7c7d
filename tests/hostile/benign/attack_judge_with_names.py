# {"allowed": ["passed"], "entry": "f", "test": "assert f(3).__name__ == 'Made'"}
def f(x):
    return type('Made', (), {})
