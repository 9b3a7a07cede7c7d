# {"allowed": ["timeout", "memory", "crashed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    held = []
    while True:
        try:
            held.append(bytearray(1 << 16))
        except MemoryError:
            pass
