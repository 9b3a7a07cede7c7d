"""The whole gate, played many times, is fooled no more often than it says; broken gates are found out."""

from __future__ import annotations

import numpy as np
import pytest

from bench.gate_simulation import (
    DEFAULT,
    ROUNDS,
    Setting,
    Verdict,
    first_promotions,
    level,
    promoted,
    remembered,
    rounds,
    share_not_scored,
)
from selfplay import gate
from selfplay.gate import BenchmarkResult
from selfplay.paired import clopper_pearson, detection_rate
from tests.chances import likely

GREEDY = Setting(name="greedy", samples=1, unsettled=0.2)
SAMPLED = Setting(name="sampled", samples=4, unsettled=0.3)
"""Champion and candidate differ on a tenth of the tasks (greedy), or on up to three tenths."""


def more_wins_than_losses(result: BenchmarkResult, number: int) -> bool:
    decision = level(number)([result])
    return decision.wins > decision.losses


def every_round_at_the_level_of_the_run(result: BenchmarkResult, _: int) -> bool:
    return gate.decide([result], alpha_round=DEFAULT.alpha, margin=0.02, min_coverage=0.95).promoted


def fooled(setting: Setting, verdict: Verdict, runs: int) -> tuple[float, float]:
    """Return the interval of the share of runs in which the champion is promoted against itself."""
    found = first_promotions(setting, runs, verdict=verdict, seed=5)
    return clopper_pearson(sum(each is not None for each in found), runs)


@pytest.mark.parametrize(("setting", "runs"), [(GREEDY, 1000), (SAMPLED, 500)], ids=["greedy", "sampled"])
def test_five_rounds_of_the_champion_against_itself_are_fooled_no_more_often_than_stated(
    setting: Setting, runs: int
) -> None:
    low, high = fooled(setting, promoted, runs)
    assert high <= DEFAULT.alpha
    assert low > 0, "a gate that promotes nothing would pass the line above"


@pytest.mark.parametrize(
    ("setting", "verdict", "runs"),
    [
        (GREEDY, more_wins_than_losses, 60),
        (GREEDY, every_round_at_the_level_of_the_run, 600),
        (SAMPLED, every_round_at_the_level_of_the_run, 300),
    ],
)
def test_a_broken_gate_is_found_out(setting: Setting, verdict: Verdict, runs: int) -> None:
    low, _ = fooled(setting, verdict, runs)
    assert low > DEFAULT.alpha


def test_a_better_candidate_is_seen_as_often_as_the_exact_rate_says() -> None:
    runs = 300
    for gain in (0.05, 0.10):
        seen = first_promotions(GREEDY, runs, gain=gain).count(1)
        assert likely(seen, runs, detection_rate(164, 0.05 + gain, 0.05, DEFAULT.alpha / 2))


def test_a_better_candidate_is_seen_more_often_with_more_samples() -> None:
    one = first_promotions(Setting(name="", samples=1, unsettled=0.3), 60, gain=0.05).count(1)
    four = first_promotions(SAMPLED, 60, gain=0.05).count(1)
    assert four > one


def test_what_is_remembered_is_what_would_be_said_again() -> None:
    rng, ask = np.random.default_rng(3), remembered(promoted)
    for setting in (GREEDY, SAMPLED):
        for _ in range(20):
            for number, result in zip(range(1, ROUNDS + 1), rounds(setting, rng, 40, 0.15), strict=False):
                assert ask(result, number) is promoted(result, number)


def test_curtailment_saves_something_where_the_candidate_is_no_better() -> None:
    shares = share_not_scored(GREEDY, 3)
    assert len(shares) == ROUNDS
    assert all(0 < share < 0.5 for share in shares)
