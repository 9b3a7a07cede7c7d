"""A candidate is cut short only when nothing could have promoted it, and always at the same task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice, product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay import curtail, gate
from selfplay.gate import BenchmarkResult
from state.overview import comparisons

GATES = st.builds(
    lambda alpha, margin, coverage: partial(gate.decide, alpha_round=alpha, margin=margin, min_coverage=coverage),
    st.sampled_from([0.5, 0.25, 0.13, 0.05, 0.025]),
    st.sampled_from([0.0, 0.02, 0.2, 0.4]),
    st.sampled_from([0.5, 0.8, 0.95, 1.0]),
)


@dataclass(frozen=True)
class Scene:
    """A contest that is over, and a gate for it."""

    results: list[BenchmarkResult]
    order: list[tuple[str, str]]
    decide: curtail.Decide

    def answered(self, tasks: int) -> dict[str, set[str]]:
        first = self.order[:tasks]
        return {result.name: {task for name, task in first if name == result.name} for result in self.results}

    def open(self, tasks: int) -> bool:
        return curtail.still_open(self.results, self.answered(tasks), self.decide)


@st.composite
def scenes(draw: st.DrawFn, largest: int, most_samples: int = 2) -> Scene:
    """Draw one or two gate benchmarks with `largest` tasks at most in all; some results may be missing."""
    results = []
    left = largest
    for name in draw(st.sampled_from([("a",), ("a", "b")])):
        tasks = draw(st.integers(0, left))
        left -= tasks
        samples = draw(st.integers(1, most_samples))
        one = st.lists(st.booleans(), min_size=samples, max_size=samples).map(tuple)
        sides = [
            {f"{name}{i}": draw(one) for i in range(tasks) if draw(st.sampled_from([True] * 9 + [False]))}
            for _ in range(2)
        ]
        results.append(BenchmarkResult(name=name, role="gate", champion=sides[0], candidate=sides[1], tasks=tasks))
    order = [(result.name, f"{result.name}{i}") for result in results for i in range(result.tasks)]
    return Scene(results, order, draw(GATES))


def endings(scene: Scene, tasks: int) -> Iterator[list[BenchmarkResult]]:
    """Yield the contest with every possible result of the tasks after the first `tasks`, missing ones included."""
    left = scene.order[tasks:]
    samples = {
        result.name: max((len(passed) for passed in result.champion.values()), default=1) for result in scene.results
    }
    choices = [[None, *product((True, False), repeat=samples[name])] for name, _ in left]
    for ending in product(*choices):
        drawn = {key: passed for key, passed in zip(left, ending, strict=True) if passed is not None}
        yield [
            replace(
                result,
                candidate={
                    **{t: p for t, p in result.candidate.items() if t in scene.answered(tasks)[result.name]},
                    **{task: passed for (name, task), passed in drawn.items() if name == result.name},
                },
            )
            for result in scene.results
        ]


@settings(max_examples=150)
@given(scene=scenes(4))
def test_what_is_closed_no_ending_promotes(scene: Scene) -> None:
    for tasks in range(len(scene.order) + 1):
        if not scene.open(tasks):
            assert not any(scene.decide(ending).promoted for ending in islice(endings(scene, tasks), 700))


@settings(max_examples=60)
@given(scene=scenes(60, most_samples=3), seed=st.integers(0, 2**32))
def test_what_is_closed_no_drawn_ending_promotes(scene: Scene, seed: int) -> None:
    rng = np.random.default_rng(seed)
    closed = [tasks for tasks in range(len(scene.order) + 1) if not scene.open(tasks)]
    for tasks in closed[:1]:
        for share in (0.5, 0.9, 0.98, 1.0):
            ending = [
                replace(
                    result,
                    candidate={
                        task: result.candidate[task]
                        if task in scene.answered(tasks)[result.name] and task in result.candidate
                        else tuple((rng.random(len(passed)) < share).tolist())
                        for task, passed in result.champion.items()
                        if task not in scene.answered(tasks)[result.name] or task in result.candidate
                    },
                )
                for result in scene.results
            ]
            assert not scene.decide(ending).promoted


@settings(max_examples=150)
@given(scene=scenes(5))
def test_what_is_open_some_ending_promotes(scene: Scene) -> None:
    even = all(result.champion.keys() == {f"{result.name}{i}" for i in range(result.tasks)} for result in scene.results)
    for tasks in range(len(scene.order) + 1):
        if even and scene.open(tasks):
            assert any(scene.decide(ending).promoted for ending in endings(scene, tasks))
            break


@settings(max_examples=150)
@given(scene=scenes(30))
def test_the_cut_is_the_first_task_that_settles_it(scene: Scene) -> None:
    present = [
        next((n for n, (name, task) in enumerate(scene.order) if task not in result.candidate and name == result.name),
             len(scene.order))
        for result in scene.results
    ]  # fmt: skip
    finished = min(present, default=0)
    closed = [tasks for tasks in range(min(finished + 1, len(scene.order))) if not scene.open(tasks)]
    assert curtail.cut_after(scene.results, scene.order, scene.decide) == (closed[0] if closed else None)


@settings(max_examples=150)
@given(scene=scenes(40, most_samples=3))
def test_a_cut_changes_no_decision(scene: Scene) -> None:
    whole, early = scene.decide(scene.results), curtail.decide_early(scene.results, scene.order, scene.decide)
    assert early.promoted is whole.promoted
    assert early.alpha == whole.alpha
    if early.p_value is not None and whole.p_value is not None:
        assert early.p_value <= whole.p_value + 1e-12


@settings(max_examples=100)
@given(scene=scenes(30), data=st.data())
def test_results_beyond_the_cut_count_for_nothing(scene: Scene, data: st.DataObject) -> None:
    cut = curtail.cut_after(scene.results, scene.order, scene.decide)
    if cut is None:
        return
    beyond = data.draw(st.sets(st.sampled_from(scene.order[cut:])))  # a cut leaves at least one task
    thinned = [
        replace(
            result,
            candidate={task: passed for task, passed in result.candidate.items() if (result.name, task) not in beyond},
        )
        for result in scene.results
    ]
    assert curtail.decide_early(thinned, scene.order, scene.decide) == curtail.decide_early(
        scene.results, scene.order, scene.decide
    )


def contest(champion: str, candidate: str, alpha: float = 0.025) -> Scene:
    """Return one benchmark from two lines of 1 and 0, a character a task; the candidate's may be shorter."""
    sides = [{f"t{i:03}": (letter == "1",) for i, letter in enumerate(line)} for line in (champion, candidate)]
    result = BenchmarkResult(
        name="humaneval", role="gate", champion=sides[0], candidate=sides[1], tasks=len(champion)
    )  # fmt: skip
    order = [("humaneval", f"t{i:03}") for i in range(len(champion))]
    return Scene([result], order, partial(gate.decide, alpha_round=alpha, margin=0.02, min_coverage=0.95))


def test_a_tie_on_a_task_that_the_champion_fails_can_be_the_end() -> None:
    # Six of twelve can be won, and it takes six: one that is not won settles it.
    scene = contest("000000111111", "110")
    assert curtail.cut_after(scene.results, scene.order, scene.decide) == 3
    decision = curtail.decide_early(scene.results, scene.order, scene.decide)
    assert (decision.wins, decision.losses, decision.ties) == (2, 0, 1)
    assert decision.p_value == 0.5**5
    assert decision.reason == (
        "kept: cut short after 3 of 12 tasks with 2 won, 0 lost; had all the rest been passed: "
        "5 wins, 0 losses on 12 tasks (humaneval 50.0% -> 91.7%); p = 0.0312 is above 0.025, "
        "for which it takes at least 6 wins."
    )
    (evidence,) = decision.evidence
    assert (evidence.tasks, evidence.asked, evidence.difference) == (3, 12, 2 / 3)
    assert (evidence.difference_interval, evidence.candidate_interval, evidence.p_value) == (None, None, None)
    (shown,) = comparisons(gate.evidence_json(decision))
    assert (shown.tasks, shown.candidate_frac, shown.interval) == (3, 2 / 3, None)


def test_tasks_that_the_champion_passes_leave_nothing_to_win() -> None:
    scene = contest("0" * 5 + "1" * 95, "")
    assert curtail.cut_after(scene.results, scene.order, scene.decide) == 0
    reason = curtail.decide_early(scene.results, scene.order, scene.decide).reason
    assert reason.startswith("kept: cut short after 0 of 100 tasks; had all the rest been passed: 5 wins, 0 losses on")


def test_what_only_the_last_task_tells_is_not_cut_short() -> None:
    scene = contest("0000001", "1111110", alpha=1 / 64)
    assert curtail.cut_after(scene.results, scene.order, scene.decide) is None
    assert curtail.decide_early(scene.results, scene.order, scene.decide) == scene.decide(scene.results)


def test_a_loss_beyond_the_margin_that_cannot_be_made_good_closes() -> None:
    first = contest("0" * 30 + "1" * 20, "1" * 30 + "1" * 20)
    second = BenchmarkResult(
        name="second", role="gate", tasks=10,
        champion={f"s{i}": (True,) for i in range(10)}, candidate={"s0": (False,), "s1": (True,)},
    )  # fmt: skip
    order = [*first.order, *(("second", f"s{i}") for i in range(10))]
    decision = curtail.decide_early([*first.results, second], order, first.decide)
    assert decision.reason.startswith("kept: cut short after 51 of 60 tasks with 30 won, 1 lost; ")
    assert "more points are lost than 2.0: second by 10.0" in decision.reason


def test_audit_benchmarks_of_a_candidate_that_is_cut_short_are_said_to_be_unscored() -> None:
    scene = contest("000000111111", "110")
    audit = BenchmarkResult(name="audit", role="audit", champion={"x": (True,)}, candidate={}, tasks=1)
    decision = curtail.decide_early([*scene.results, audit], scene.order, scene.decide)
    assert decision.reason.endswith(" Audit benchmarks were not scored.")
    assert [each.role for each in decision.evidence] == ["gate", "audit"]


def test_tasks_with_different_numbers_of_samples_are_never_cut_short() -> None:
    scene = contest("000000111111", "000")
    torn = [replace(scene.results[0], champion={**scene.results[0].champion, "t000": (False, False)})]
    assert curtail.cut_after(torn, scene.order, scene.decide) is None


def test_a_contest_without_tasks_is_not_cut_short() -> None:
    scene = contest("", "")
    assert curtail.decide_early(scene.results, scene.order, scene.decide) == scene.decide(scene.results)
