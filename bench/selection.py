"""Time of one selection, each rule, on small and large matrices: `python -m bench.selection`."""

from __future__ import annotations

import statistics
import time

import numpy as np

from selfplay.pairs import RULES, select

SIZES = ((10, 10), (64, 64))
REPEATS = 200


def main() -> None:
    print(f"median of {REPEATS} matrices, milliseconds")
    print("rule     " + "".join(f"{f'{codes}x{tests}':>10}" for codes, tests in SIZES))
    for rule in RULES:
        print(f"{rule:<9}" + "".join(f"{1000 * median_s(rule, *size):>10.3f}" for size in SIZES))


def median_s(rule: str, codes: int, tests: int) -> float:
    rng = np.random.default_rng(0)
    times = []
    for seed in range(REPEATS):
        # Codes of differing strength on tests of differing difficulty, so that rows and columns repeat as real ones do.
        passed = rng.random(codes)[:, None] > rng.random(tests)
        begun = time.perf_counter()
        select(passed, rule, seed=seed, cross_check=True)
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


if __name__ == "__main__":
    main()
