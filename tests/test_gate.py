"""The gate: its level, its arithmetic, what it may read, and what it says."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.gate import (
    BenchmarkResult,
    Decision,
    alpha_for_round,
    decide,
    evidence_json,
)
from selfplay.paired import detection_rate, min_wins_needed, sign_flip_p_value
from tests.chances import at_least, likely

Outcomes = Mapping[str, tuple[bool, ...]]


def result(
    wins: int, losses: int, ties: int, *, name: str = "humaneval", role: str = "gate", missing: int = 0
) -> BenchmarkResult:
    """Return a benchmark with one sample a task; tied tasks are passed by both."""
    champion = [False] * wins + [True] * losses + [True] * ties
    candidate = [True] * wins + [False] * losses + [True] * ties
    return BenchmarkResult(
        name=name,
        role="gate" if role == "gate" else "audit",
        champion={f"t/{task}": (passed,) for task, passed in enumerate(champion)},
        candidate={f"t/{task}": (passed,) for task, passed in enumerate(candidate)},
        tasks=len(champion) + missing,
    )


def verdict(*results: BenchmarkResult, alpha: float = 0.025, margin: float = 0.02, coverage: float = 0.95) -> Decision:
    return decide(results, alpha_round=alpha, margin=margin, min_coverage=coverage)


@st.composite
def outcomes(draw: st.DrawFn, samples: int = 1) -> tuple[Outcomes, Outcomes]:
    tasks = draw(st.integers(0, 25))
    one = st.lists(st.booleans(), min_size=samples, max_size=samples).map(tuple)
    sides = [draw(st.lists(one, min_size=tasks, max_size=tasks)) for _ in range(2)]
    champion, candidate = ({f"t{i}": passed for i, passed in enumerate(side)} for side in sides)
    return champion, candidate


@st.composite
def benchmarks(draw: st.DrawFn, name: str = "b", role: str = "gate") -> BenchmarkResult:
    champion, candidate = draw(outcomes(draw(st.integers(1, 3))))
    return BenchmarkResult(
        name=name,
        role="gate" if role == "gate" else "audit",
        champion=champion,
        candidate=candidate,
        tasks=len(champion) + draw(st.integers(0, 1)),
    )


def simulated(rng: np.random.Generator, tasks: int, win_frac: float, loss_frac: float) -> BenchmarkResult:
    wins, losses, ties = rng.multinomial(tasks, [win_frac, loss_frac, 1 - win_frac - loss_frac])
    return result(int(wins), int(losses), int(ties))


# -- the level ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.05, 0.025, 1 / 64, 0.00833, 0.001])
def test_the_fewest_wins_needed_promote_and_one_less_does_not(alpha: float) -> None:
    wins = min_wins_needed(alpha)
    assert verdict(result(wins, 0, 100), alpha=alpha).promoted
    assert not verdict(result(wins - 1, 0, 100), alpha=alpha).promoted


def test_the_levels_of_all_rounds_add_up_to_less_than_the_level_of_the_run() -> None:
    assert [alpha_for_round(0.06, number) for number in (1, 2, 3)] == pytest.approx([0.03, 0.01, 0.005])
    total = sum(alpha_for_round(0.05, number) for number in range(1, 10_001))
    assert 0.0499 < total < 0.05


@pytest.mark.parametrize(("alpha", "number"), [(0.0, 1), (1.0, 1), (0.05, 0)])
def test_a_level_out_of_range_is_refused(alpha: float, number: int) -> None:
    with pytest.raises(ValueError, match="no level"):
        alpha_for_round(alpha, number)


@pytest.mark.parametrize("differ", [0.02, 0.1, 0.3])
def test_a_candidate_that_is_the_champion_is_promoted_no_more_often_than_the_level_says(differ: float) -> None:
    # Two runs of the same weights that disagree on `differ` of the tasks, as sampling or batching makes them.
    rng, runs, alpha = np.random.default_rng(7), 1500, 0.05
    promoted = sum(verdict(simulated(rng, 164, differ / 2, differ / 2), alpha=alpha).promoted for _ in range(runs))
    exact = detection_rate(164, differ / 2, differ / 2, alpha)
    assert exact <= alpha
    assert likely(promoted, runs, exact)


def test_five_rounds_of_the_champion_against_itself_stay_at_the_level_of_the_run() -> None:
    rng, runs, alpha = np.random.default_rng(11), 600, 0.2
    promoted = sum(
        any(
            verdict(simulated(rng, 100, 0.15, 0.15), alpha=alpha_for_round(alpha, number)).promoted
            for number in range(1, 6)
        )
        for _ in range(runs)
    )
    expected = 1 - float(np.prod([1 - detection_rate(100, 0.15, 0.15, alpha_for_round(alpha, n)) for n in range(1, 6)]))
    assert expected < alpha * (1 - 1 / 6)
    assert likely(promoted, runs, expected)
    assert at_least(promoted, runs, alpha) > 1e-3


def test_several_samples_of_the_champion_against_itself_stay_at_the_level() -> None:
    rng, runs, alpha = np.random.default_rng(13), 600, 0.05
    promoted = 0
    for _ in range(runs):
        chance = rng.beta(0.5, 0.5, size=60)
        champion, candidate = ((rng.random((60, 4)) < chance[:, None]).tolist() for _ in range(2))
        benchmark = BenchmarkResult(
            name="b",
            role="gate",
            champion={str(i): tuple(row) for i, row in enumerate(champion)},
            candidate={str(i): tuple(row) for i, row in enumerate(candidate)},
            tasks=60,
        )
        promoted += verdict(benchmark, alpha=alpha).promoted
    assert at_least(promoted, runs, alpha) > 1e-3
    assert promoted > runs * alpha / 4  # a test that never promotes would pass the line above


def test_the_detection_rate_grows_with_the_gain_and_agrees_with_simulation() -> None:
    rng, runs = np.random.default_rng(17), 400
    gains = [0.0, 0.02, 0.05, 0.1]
    exact = [detection_rate(164, 0.05 + gain, 0.05, 0.025) for gain in gains]
    assert exact == sorted(exact)
    assert exact[-1] > 0.75
    for gain, rate in zip(gains, exact, strict=True):
        promoted = sum(verdict(simulated(rng, 164, 0.05 + gain, 0.05)).promoted for _ in range(runs))
        assert likely(promoted, runs, rate)


# -- the decision -----------------------------------------------------------------------------------------------------


def test_identical_champion_and_candidate_keep_the_champion() -> None:
    decision = verdict(result(0, 0, 164), alpha=0.9, margin=0.5)
    assert not decision.promoted
    assert decision.p_value == 1.0
    assert decision.reason == (
        "kept: champion and candidate do equally well on each of 164 tasks (humaneval 100.0% -> 100.0%)."
    )


def test_a_clear_gain_is_promoted_with_its_figures() -> None:
    decision = verdict(result(15, 3, 146))
    assert decision.promoted
    assert (decision.wins, decision.losses, decision.ties) == (15, 3, 146)
    assert decision.p_value == pytest.approx(0.003769, rel=1e-3)
    assert decision.reason == (
        "promoted: 15 wins, 3 losses on 164 tasks (humaneval 90.9% -> 98.2%); p = 0.00377 is within 0.025, "
        "and no benchmark lost more than 2.0 points."
    )


def test_a_gain_that_chance_explains_keeps_the_champion_and_says_what_it_would_take() -> None:
    decision = verdict(result(9, 7, 148))
    assert not decision.promoted
    assert decision.reason == (
        "kept: 9 wins, 7 losses on 164 tasks (humaneval 94.5% -> 95.7%); p = 0.402 is above 0.025, "
        "for which it takes at least 6 wins."
    )


def test_a_loss_on_one_benchmark_beyond_the_margin_vetoes_a_gain_on_all() -> None:
    gain, loss = result(30, 0, 70, name="first"), result(0, 3, 97, name="second")
    vetoed = verdict(gain, loss)
    assert not vetoed.promoted
    assert vetoed.reason.endswith("but more points are lost than 2.0: second by 3.0.")
    assert vetoed.p_value is not None
    assert vetoed.p_value < 1e-5
    assert verdict(gain, loss, margin=0.03).promoted  # a loss of just the margin is allowed


def test_both_gate_benchmarks_count_with_each_task_alike() -> None:
    decision = verdict(result(4, 0, 50, name="first"), result(4, 0, 200, name="second"))
    assert decision.promoted
    assert decision.p_value == 0.5**8
    assert not verdict(result(4, 0, 50, name="first")).promoted


def test_benchmarks_with_different_numbers_of_samples_count_with_each_task_alike() -> None:
    one = BenchmarkResult(name="one", role="gate", champion={"a": (False,)}, candidate={"a": (True,)}, tasks=1)
    two = BenchmarkResult(
        name="two", role="gate", champion={"a": (True, False)}, candidate={"a": (False, False)}, tasks=1
    )
    decision = verdict(one, two, margin=0.9)
    assert (decision.wins, decision.losses) == (1, 1)
    assert decision.p_value == sign_flip_p_value([2, -1]) == 0.5


@given(gate=benchmarks(), data=st.data())
def test_audit_benchmarks_cannot_change_the_decision(gate: BenchmarkResult, data: st.DataObject) -> None:
    audit = data.draw(st.lists(st.integers(0, 9), unique=True, max_size=3).flatmap(
        lambda names: st.tuples(*(benchmarks(name=f"audit{name}", role="audit") for name in names))))  # fmt: skip
    alone, audited = verdict(gate, alpha=0.3), verdict(*audit, gate, alpha=0.3)
    assert dataclasses.replace(audited, evidence=alone.evidence) == alone
    assert [each.role for each in audited.evidence] == ["audit"] * len(audit) + ["gate"]


@given(benchmark=benchmarks(), data=st.data())
def test_the_order_of_tasks_and_their_names_do_not_matter(benchmark: BenchmarkResult, data: st.DataObject) -> None:
    order = data.draw(st.permutations(sorted(benchmark.champion)))
    other = dataclasses.replace(
        benchmark,
        champion={f"x{i}": benchmark.champion[task] for i, task in enumerate(order)},
        candidate={f"x{i}": benchmark.candidate[task] for i, task in reversed(list(enumerate(order)))},
    )
    before, after = verdict(benchmark, alpha=0.3), verdict(other, alpha=0.3)
    assert dataclasses.replace(after, evidence=()) == dataclasses.replace(before, evidence=())


@given(benchmark=benchmarks())
def test_swapping_the_two_sides_swaps_wins_and_losses_and_never_promotes_both(benchmark: BenchmarkResult) -> None:
    swapped = dataclasses.replace(benchmark, champion=benchmark.candidate, candidate=benchmark.champion)
    there, back = verdict(benchmark, alpha=0.45), verdict(swapped, alpha=0.45)
    assert (there.wins, there.losses, there.ties) == (back.losses, back.wins, back.ties)
    assert not (there.promoted and back.promoted)


def test_only_tasks_with_results_of_both_are_compared() -> None:
    whole = result(20, 0, 80)
    torn = dataclasses.replace(
        whole,
        champion={task: passed for task, passed in whole.champion.items() if task != "t/0"},
        candidate={task: passed for task, passed in whole.candidate.items() if task not in ("t/1", "t/99")},
    )
    decision = verdict(torn)
    assert (decision.wins, decision.losses, decision.ties) == (18, 0, 79)
    assert decision.evidence[0].tasks == 97
    assert decision.evidence[0].asked == 100
    assert decision.promoted


def test_too_few_comparable_tasks_give_no_verdict_however_good_they_look() -> None:
    decision = verdict(result(50, 0, 50, missing=6))
    assert not decision.promoted
    assert decision.p_value is None
    assert decision.reason == (
        "kept: no verdict, as too few tasks have results of both (humaneval: 100 of 106; 95.0% are needed)."
    )
    assert verdict(result(50, 0, 45, missing=5)).promoted  # just the floor


def test_a_task_that_lacks_a_sample_is_not_compared() -> None:
    benchmark = BenchmarkResult(
        name="b",
        role="gate",
        champion={"a": (True, True), "b": (True, True), "c": ()},
        candidate={"a": (True, True), "b": (True,), "c": (True, True)},
        tasks=3,
    )
    (evidence,) = verdict(benchmark, coverage=0.3).evidence
    assert (evidence.tasks, evidence.samples) == (1, 2)


def test_no_gate_benchmark_or_no_result_gives_no_verdict() -> None:
    assert "no benchmark has the role of a gate" in verdict(result(9, 0, 9, role="audit")).reason
    nothing = BenchmarkResult(name="b", role="gate", champion={}, candidate={}, tasks=0)
    decision = verdict(nothing, coverage=0.01)
    assert decision.p_value is None
    assert decision.evidence[0].champion_pass is None
    assert decision.evidence[0].difference_interval is None


def test_a_benchmark_named_twice_or_with_more_tasks_than_asked_is_refused() -> None:
    with pytest.raises(ValueError, match="once, as gate or as audit: humaneval, humaneval"):
        verdict(result(1, 0, 1), result(1, 0, 1, role="audit"))
    with pytest.raises(ValueError, match="humaneval: 2 tasks compared, 1 asked for"):
        verdict(result(1, 0, 1, missing=-1))


def test_the_evidence_is_json_with_one_object_a_benchmark() -> None:
    decision = verdict(result(15, 3, 146), result(1, 0, 9, name="audit", role="audit"))
    gate, audit = json.loads(evidence_json(decision))
    assert gate["name"] == "humaneval"
    assert gate["role"] == "gate"
    assert (gate["asked"], gate["tasks"], gate["wins"], gate["losses"], gate["ties"]) == (164, 164, 15, 3, 146)
    assert gate["difference"] == pytest.approx(12 / 164)
    low, high = gate["difference_interval"]
    assert 0 < low < 12 / 164 < high
    assert audit["role"] == "audit"
