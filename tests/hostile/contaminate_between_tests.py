# {"allowed": ["failed"], "entry": "f", "test": "assert f(3) == 4\nassert f(3) == 4"}
seen = []


def f(x):
    seen.append(x)
    return len(seen) * 4
