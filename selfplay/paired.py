"""Paired comparison of two sets of weights: the exact test, its power, and intervals.

Differences are the candidate's result minus the champion's, one number a task. The test decides (gate.py); intervals
are for readers.

Not covered: correlation between tasks. Tasks are taken as independent; near-duplicates in a benchmark make every figure
here look surer than it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating]

CONFIDENCE = 0.95
"""Level of every interval here; intervals are reported and never decide."""


def sign_flip_p_value(differences: Sequence[int]) -> float:
    """Return the exact chance that fair coins for signs give a sum at least as large as the one seen.

    The 2^m sign patterns of the m differences that are not zero are counted by the sum of their positive parts, a
    subset sum: time and memory grow with m * sum(|d|), not with 2^m. With differences of -1, 0 and 1 the result is
    P(Binomial(wins + losses, 1/2) >= wins), McNemar's exact one-sided p-value.

    Worked example: differences 2, 1, -1. The signs give positive sums of 0, 1, 1, 2, 2, 3, 3, 4; the one seen is 3, and
    3 of 8 are at least 3: p = 0.375.

    Args:
        differences: Candidate minus champion, one whole number a task, all on one scale.

    Source: Fisher's randomisation test; McNemar 1947 for the case of one sample.
    """
    sizes = [abs(difference) for difference in differences if difference]
    share = np.zeros(sum(sizes) + 1)
    share[0] = 1.0
    for size in sizes:
        share /= 2
        share[size:] += share[:-size].copy()
    seen = sum(difference for difference in differences if difference > 0)
    return min(1.0, float(share[seen:].sum()))


def two_sided_p_value(differences: Sequence[int]) -> float:
    """Return the exact chance that fair coins for signs give a sum at least as far from 0 as the one seen.

    For comparisons of which nobody said beforehand which side should be ahead. Fair signs make a sum and its opposite
    equally likely, so this is twice the one-sided chance in the direction seen, 1 at most.

    Worked example: differences 2, 1, -1 have the sum 2; of the 8 sign patterns the sums are -4, -2, -2, 0, 0, 2, 2, 4,
    and 6 of them are 2 or more from 0: p = 0.75.

    Args:
        differences: One side minus the other, one whole number a task, all on one scale.
    """
    ahead = sum(differences) >= 0
    return min(1.0, 2 * sign_flip_p_value(differences if ahead else [-difference for difference in differences]))


def min_wins_needed(alpha: float) -> int:
    """Return the fewest wins that, without a single loss, give a p-value not above alpha (one sample a task)."""
    wins = 0
    while 0.5**wins > alpha:
        wins += 1
    return wins


def detection_rate(tasks: int, win_frac: float, loss_frac: float, alpha: float) -> float:
    """Return the chance of a promotion, exactly, on one benchmark with one sample a task.

    Args:
        tasks: Tasks of the benchmark; each is a win, a loss or a tie independently of the others.
        win_frac: Chance of a win, >= 0.
        loss_frac: Chance of a loss, >= 0; win_frac - loss_frac is the true gain in pass@1.
        alpha: Level of the round.
    """
    differ = win_frac + loss_frac
    share = win_frac / differ if differ else 0.0
    rate = 0.0
    # Chances of 0, 1, ... wins among `discordant` differing tasks: under the null, and as they really are.
    fair: Floats = np.ones(1)
    real: Floats = np.ones(1)
    for chance in _binomial(tasks, differ):
        p_values = fair[::-1].cumsum()[::-1]
        rate += chance * float(real[p_values <= alpha].sum())
        fair, real = np.convolve(fair, [0.5, 0.5]), np.convolve(real, [1 - share, share])
    return rate


def wilson_interval(passed: float, n: int) -> tuple[float, float]:
    """Return the Wilson score interval of a pass rate.

    Args:
        passed: Sum over tasks of the share of samples that passed, 0 <= passed <= n.
        n: Tasks, >= 1. With several samples a task the interval is too wide, never too narrow: a share between 0 and 1
            varies less than a coin of the same mean.

    Source: Wilson 1927.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    rate = passed / n
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def detection_rate_given(failed: int, passed: int, *, win_chance: float, loss_chance: float, alpha: float) -> float:
    """Return the chance of a promotion, exactly, against a champion whose scores are known; one sample a task.

    Args:
        failed: Tasks that the champion fails; each is won with `win_chance`, independently of the others.
        passed: Tasks that it passes; each is lost with `loss_chance`.
        win_chance: In [0, 1].
        loss_chance: In [0, 1].
        alpha: Level of the round.
    """
    losses: Floats = np.array(_binomial(passed, loss_chance))
    lost = np.arange(passed + 1)
    fewest = np.array(_fewest_wins(failed + passed, alpha))
    return sum(
        chance * float(losses[wins >= fewest[wins + lost]].sum())
        for wins, chance in enumerate(_binomial(failed, win_chance))
    )


def _fewest_wins(differ: int, alpha: float) -> list[int]:
    """Return, for 0 to `differ` differing tasks, the fewest wins with a p-value not above alpha."""
    fewest: list[int] = []
    fair: Floats = np.ones(1)
    for _ in range(differ + 1):
        fewest.append(int((fair[::-1].cumsum()[::-1] > alpha).sum()))
        fair = np.convolve(fair, [0.5, 0.5])
    return fewest


def clopper_pearson(count: int, n: int) -> tuple[float, float]:
    """Return the exact interval of a chance of which `count` of `n` independent trials are known.

    Each end is the chance under which a count as extreme as the one seen, or more so, is (1 - CONFIDENCE) / 2 likely.

    Args:
        count: Trials that happened, 0 <= count <= n.
        n: Trials, >= 1.

    Source: Clopper and Pearson 1934.
    """
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if count == 0 else _solve(lambda p: _at_least(count, n, p) - tail)
    high = 1.0 if count == n else _solve(lambda p: _at_least(count + 1, n, p) - (1 - tail))
    return low, high


def _at_least(count: int, n: int, p: float) -> float:
    """Return P(Binomial(n, p) >= count), 0 < p < 1."""
    k = range(count, n + 1)
    logs = (math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) for i in k)
    return math.fsum(math.exp(log + i * math.log(p) + (n - i) * math.log1p(-p)) for i, log in zip(k, logs, strict=True))


def _solve(rising: Callable[[float], float]) -> float:
    """Return where a function that rises on (0, 1) crosses 0, to 1e-9."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def difference_interval(differences: Sequence[float]) -> tuple[float, float]:
    """Return the Bonett-Price interval of the mean paired difference.

    One task that is won and one that is lost are added, then the normal interval is taken: for one sample a task this
    is the adjusted Wald interval of paired proportions. It does not collapse where the two never differ.

    Args:
        differences: One value in [-1, 1] a task, at least one.

    Source: Bonett and Price 2012, J. Educ. Behav. Stat. 37(4). Deviation: applied as it stands to shares of samples.
    """
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    n = len(differences) + 2
    mean = sum(differences) / n
    variance = (sum(difference**2 for difference in differences) + 2) / n - mean**2
    half = z * math.sqrt(variance / n)
    return max(-1.0, mean - half), min(1.0, mean + half)


def _binomial(n: int, p: float) -> list[float]:
    """Return the chances of 0..n successes."""
    chances: Floats = np.ones(1)
    for _ in range(n):
        chances = np.convolve(chances, [1 - p, p])
    return [float(chance) for chance in chances]
