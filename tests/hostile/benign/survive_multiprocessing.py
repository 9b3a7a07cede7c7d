# {"allowed": ["passed"], "entry": "f", "test": "assert f(3) == 4"}
from concurrent.futures import ThreadPoolExecutor


def f(x):
    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(int, [1] * (x + 1)))
