# {"allowed": ["exception"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    with open('/tmp/fill', 'wb') as out:
        while True:
            out.write(b'x' * (1 << 20))
