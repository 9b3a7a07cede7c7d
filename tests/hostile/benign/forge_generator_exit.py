# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
def numbers(closed):
    try:
        yield 1
    except GeneratorExit:
        closed.append(1)
        raise


def f(x):
    closed = []
    numbers(closed)
    run = numbers(closed)
    next(run)
    run.close()
    return x + len(closed)
