# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    try:
        return len(bytearray(1 << 50))
    except MemoryError:
        return x + 1
