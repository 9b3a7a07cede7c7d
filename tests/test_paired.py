"""The exact paired test against counting by hand, and the intervals against published values and simulation."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.paired import (
    clopper_pearson,
    detection_rate,
    difference_interval,
    sign_flip_p_value,
    two_sided_p_value,
    wilson_interval,
)
from tests.chances import at_least


@given(wins=st.integers(0, 40), losses=st.integers(0, 40), ties=st.integers(0, 5))
def test_with_one_sample_the_p_value_is_the_exact_sign_test(wins: int, losses: int, ties: int) -> None:
    p_value = sign_flip_p_value([1] * wins + [-1] * losses + [0] * ties)
    patterns = sum(math.comb(wins + losses, k) for k in range(wins, wins + losses + 1))
    assert p_value == pytest.approx(patterns / 2 ** (wins + losses), rel=1e-12)


@given(differences=st.lists(st.integers(-4, 4), max_size=9))
def test_the_p_value_counts_every_pattern_of_signs(differences: list[int]) -> None:
    seen = sum(differences)
    sums = [
        sum(s * abs(d) for s, d in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert sign_flip_p_value(differences) == pytest.approx(sum(each >= seen for each in sums) / len(sums))


def test_the_worked_example_of_the_p_value() -> None:
    assert sign_flip_p_value([2, 1, -1]) == 0.375


@given(st.lists(st.integers(-3, 3), max_size=9))
def test_the_two_sided_p_value_counts_every_pattern_of_signs(differences: list[int]) -> None:
    seen = abs(sum(differences))
    sums = [
        sum(sign * abs(difference) for sign, difference in zip(signs, differences, strict=True))
        for signs in product((1, -1), repeat=len(differences))
    ]
    share = sum(abs(total) >= seen for total in sums) / len(sums)
    assert two_sided_p_value(differences) == pytest.approx(share)
    assert two_sided_p_value([-difference for difference in differences]) == two_sided_p_value(differences)


def test_the_worked_example_of_the_two_sided_p_value() -> None:
    assert two_sided_p_value([2, 1, -1]) == 0.75


def test_thousands_of_differing_tasks_are_still_exact() -> None:
    assert sign_flip_p_value([1] * 1600 + [-1] * 1400) == pytest.approx(at_least(1600, 3000, 0.5))


@given(samples=st.integers(1, 4), data=st.data())
def test_scaling_all_differences_changes_nothing(samples: int, data: st.DataObject) -> None:
    differences = data.draw(st.lists(st.integers(-3, 3), max_size=20))
    assert sign_flip_p_value([samples * d for d in differences]) == pytest.approx(sign_flip_p_value(differences))


def test_the_wilson_interval_is_the_published_one() -> None:
    # Newcombe 1998, table 1: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_the_exact_interval_of_a_chance_is_the_published_one() -> None:
    # Newcombe 1998, table 1, method 5: 81 of 263, 15 of 148, 0 of 20, 1 of 29.
    assert clopper_pearson(81, 263) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    assert clopper_pearson(15, 148) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    assert clopper_pearson(0, 20) == pytest.approx((0.0, 0.1684), abs=5e-5)
    assert clopper_pearson(1, 29) == pytest.approx((0.0009, 0.1776), abs=5e-5)
    assert clopper_pearson(20, 20) == pytest.approx((1 - 0.1684, 1.0), abs=5e-5)


@pytest.mark.parametrize(("win_frac", "loss_frac"), [(0.02, 0.02), (0.1, 0.05), (0.3, 0.1)])
def test_the_interval_of_the_difference_covers_the_truth(win_frac: float, loss_frac: float) -> None:
    rng, runs = np.random.default_rng(19), 1500
    covered = 0
    for _ in range(runs):
        wins, losses, ties = map(int, rng.multinomial(164, [win_frac, loss_frac, 1 - win_frac - loss_frac]))
        low, high = difference_interval([1] * wins + [-1] * losses + [0] * ties)
        covered += low <= win_frac - loss_frac <= high
    assert at_least(runs - covered, runs, 0.05) > 1e-3


def test_the_interval_of_the_difference_is_the_one_worked_by_hand() -> None:
    # One win, two ties; with a win and a loss added: mean 1/5, variance 3/5 - 1/25, half width 1.96 * sqrt(0.56 / 5).
    assert difference_interval([1, 0, 0]) == pytest.approx((0.2 - 0.655924, 0.2 + 0.655924), abs=1e-5)


def test_the_interval_does_not_collapse_where_nothing_differs() -> None:
    low, high = difference_interval([0] * 164)
    assert low == -high
    assert 0.01 < high < 0.02


def test_the_detection_rate_adds_up_every_outcome() -> None:
    # Two tasks, level 1/4: only two wins are significant (p = 1/4).
    assert detection_rate(2, 0.3, 0.1, 0.25) == pytest.approx(0.3**2)
    # Level 1/2: also one win and a tie (p = 1/2); not a win and a loss (p = 3/4).
    assert detection_rate(2, 0.3, 0.1, 0.5) == pytest.approx(0.3**2 + 2 * 0.3 * 0.6)
    assert detection_rate(164, 0.0, 0.0, 0.025) == 0.0
    assert 0.6 < detection_rate(1140, 0.05, 0.03, 0.025) < 0.7
