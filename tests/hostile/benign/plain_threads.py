# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
from concurrent.futures import ThreadPoolExecutor


def f(x):
    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(lambda v: v, [1] * (x + 1)))
