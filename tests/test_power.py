"""What the gate could see: exact rates against each other and against the gate itself, and the least gain found."""

from __future__ import annotations

import math

import numpy as np
import pytest

from selfplay import gate
from selfplay.gate import BenchmarkResult
from selfplay.paired import detection_rate, detection_rate_given
from selfplay.power import STEP, TARGET, GateBenchmark, Power
from tests.chances import likely


def power(
    *tasks: int, samples: int = 1, flips: float = 0.05, passed: float | None = None, margin: float = 0.02
) -> Power:
    benchmarks = [GateBenchmark(name=f"b{i}", tasks=n, passed=passed) for i, n in enumerate(tasks)]
    return Power(benchmarks=benchmarks, samples=samples, flips=flips, margin=margin, min_coverage=0.95)


def test_the_rate_against_a_known_champion_adds_up_every_outcome() -> None:
    # One task failed, one passed, level 1/2: a win and no loss (p = 1/2); a win and a loss have p = 3/4.
    assert detection_rate_given(1, 1, win_chance=0.3, loss_chance=0.2, alpha=0.5) == pytest.approx(0.3 * 0.8)
    # Two failed tasks at 1/4: both must be won.
    assert detection_rate_given(2, 0, win_chance=0.3, loss_chance=0.0, alpha=0.25) == pytest.approx(0.09)
    assert detection_rate_given(0, 9, win_chance=0.0, loss_chance=0.0, alpha=0.5) == 0.0


@pytest.mark.parametrize(("win", "loss"), [(0.1, 0.05), (0.3, 0.2), (0.15, 0.0)])
def test_known_champions_weighed_by_their_chances_give_the_rate_of_an_unknown_one(win: float, loss: float) -> None:
    tasks, passes, alpha = 40, 0.6, 0.025
    mixed = math.fsum(
        math.comb(tasks, passed)
        * passes**passed
        * (1 - passes) ** (tasks - passed)
        * detection_rate_given(
            tasks - passed, passed, win_chance=win / (1 - passes), loss_chance=loss / passes, alpha=alpha
        )
        for passed in range(tasks + 1)
    )
    assert mixed == pytest.approx(detection_rate(tasks, win, loss, alpha), rel=1e-9)


def test_the_rate_against_a_known_champion_is_the_gates_own() -> None:
    rng, runs = np.random.default_rng(23), 400
    champion = {f"t{i:03}": (i < 90,) for i in range(164)}
    promoted = 0
    for _ in range(runs):
        draw = rng.random(164)
        candidate = {task: (draw[i] >= 0.08 if i < 90 else draw[i] < 0.3,) for i, task in enumerate(champion)}
        result = BenchmarkResult(name="b", role="gate", champion=champion, candidate=candidate, tasks=164)
        promoted += gate.decide([result], alpha_round=0.025, margin=0.02, min_coverage=0.95).promoted
    assert likely(promoted, runs, detection_rate_given(74, 90, win_chance=0.3, loss_chance=0.08, alpha=0.025))


@pytest.mark.parametrize("passed", [None, 90.0])
@pytest.mark.parametrize("alpha", [0.025, 0.00167])
def test_the_least_gain_is_just_enough(passed: float | None, alpha: float) -> None:
    told = power(164, passed=passed)
    gain = told.smallest_gain(alpha)
    assert gain is not None
    assert told.exact
    assert told.rate(gain - STEP, alpha) < TARGET <= told.rate(gain, alpha)


def test_more_tasks_more_samples_and_fewer_flips_see_smaller_gains() -> None:
    base, more_tasks, fewer_flips = power(164), power(378), power(164, flips=0.02)
    gains = [each.smallest_gain(0.025) or 1.0 for each in (base, more_tasks, fewer_flips, power(164, samples=4))]
    assert gains[0] == max(gains)
    assert gains[3] < 0.8 * gains[0]
    assert (base.smallest_gain(0.002) or 1.0) > gains[0]


@pytest.mark.parametrize("samples", [1, 4])
def test_a_champion_that_leaves_too_little_to_win_is_said_to(samples: int) -> None:
    told = power(164, samples=samples, passed=160.0, flips=0.01)
    assert told.smallest_gain(0.025) is None
    assert told.largest_gain < 0.03


def test_two_halves_of_a_benchmark_see_what_the_whole_sees() -> None:
    halves, whole = power(82, 82, margin=0.5), power(164)
    assert not halves.exact
    for gain in (0.05, 0.1):
        assert likely(round(400 * halves.rate(gain, 0.025)), 400, whole.rate(gain, 0.025))


def test_a_margin_that_a_small_benchmark_breaks_by_chance_costs_power() -> None:
    assert power(164, 20, margin=0.0).rate(0.1, 0.025) < power(164, 20, margin=0.5).rate(0.1, 0.025) - 0.02


@pytest.mark.parametrize("samples", [1, 4])
def test_a_simulated_gain_is_as_large_as_it_says_and_flips_are_as_many(samples: int) -> None:
    rng, told = np.random.default_rng(29), power(20_000, samples=samples, passed=11_000.0)
    for gain in (0.0, 0.1):
        result = next(told.contest(told.benchmarks[0], rng, gain))
        champion, candidate = (np.array(list(side.values())) for side in (result.champion, result.candidate))
        assert champion.mean() == pytest.approx(0.55, abs=0.01)
        assert candidate.mean() - champion.mean() == pytest.approx(gain, abs=0.01)
        assert (champion[:, 0] > candidate[:, 0]).mean() == pytest.approx(0.05, abs=0.005)
