# {"allowed": ["timeout"], "entry": "f", "test": "assert f(3) == 4"}
while True:
    pass
