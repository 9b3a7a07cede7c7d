# {"allowed": ["output"], "entry": "f", "test": "assert f(3) == 4"}
while True:
    print('x' * 4096)
