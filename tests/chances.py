"""Exact binomial tails, to judge counts from simulations."""

from __future__ import annotations

import math


def at_least(count: int, n: int, p: float) -> float:
    """Return P(Binomial(n, p) >= count), 0 < p < 1."""
    return math.fsum(
        math.exp(
            math.lgamma(n + 1)
            - math.lgamma(k + 1)
            - math.lgamma(n - k + 1)
            + k * math.log(p)
            + (n - k) * math.log1p(-p)
        )
        for k in range(count, n + 1)
    )


def likely(count: int, n: int, p: float) -> bool:
    """Return whether neither tail of Binomial(n, p) beyond `count` is rarer than 1 in 2000."""
    return min(at_least(count, n, p), 1 - at_least(count + 1, n, p)) > 5e-4
