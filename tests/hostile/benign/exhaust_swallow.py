# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def f(x):
    for value in ('a', None, x):
        try:
            return int(value) + 1
        except (TypeError, ValueError):
            continue
