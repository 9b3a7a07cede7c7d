# {"allowed": ["memory"], "entry": "f", "test": "assert f(3) == 4"}
held = []
while True:
    held.append('x' * (1 << 20))
