# {"allowed": ["memory"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    held = []
    while True:
        held.append(bytearray(1 << 20))
