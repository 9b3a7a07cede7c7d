# {"allowed": ["passed"], "entry": "f", "test": "value = f(3)\nfor _ in range(50):\n    value, = value\nassert value == []"}
def f(x):
    value = []
    for _ in range(50):
        value = [value]
    return value
