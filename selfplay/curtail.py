"""Cut a candidate short once nothing that is left to score could lead to a promotion: pure functions of results.

The champion's results are all known when the candidate is scored, so the best that can still happen is known too: the
candidate passes every sample of every task that is left. Tasks that the champion passes can then only be ties.

Why no other outcome is better (one task's difference d, the others held fixed): with S the sum under random signs and s
the sum seen, both without this task, p = P(S >= s) / 2 + P(S >= s + 2d) / 2, which falls as d grows. A task without a
result counts as d = 0. The observed difference of each benchmark and its coverage grow with every pass as well. So the
decision on the best case is a bound on every decision: if it is "kept", every one is.

Where the cut falls is a function of the results alone: tasks are taken in the order in which they are asked, whatever
the order in which answers come back, and the cut is after the first of them that settles it. Results of later tasks
that happen to be there count for nothing.

Not covered: what a candidate that is cut short would have scored. Wins and losses are those of the tasks up to the cut,
which was made because they looked bad: as an estimate of the candidate they are too low.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from selfplay.gate import BenchmarkEvidence, BenchmarkResult, Decision

Decide = Callable[[Sequence[BenchmarkResult]], Decision]
"""`gate.decide` with its levels filled in."""
Order = Sequence[tuple[str, str]]
"""(benchmark, task id) of every gate task, in the order in which they are asked."""


def still_open(results: Sequence[BenchmarkResult], answered: Mapping[str, Collection[str]], decide: Decide) -> bool:
    """Return whether any outcome of the tasks that are left could still promote the candidate.

    False is a promise; True may be too hopeful: where tasks differ in their number of samples nothing is ruled out.

    Args:
        results: Every benchmark, with what is known of it.
        answered: Gate benchmark -> tasks of which the candidate's result is final. Each of the others may still get
            any result of as many samples as the champion's, or none.
        decide: The gate.
    """
    return _uneven(results, answered) or decide(_best_case(results, answered)).promoted


def cut_after(results: Sequence[BenchmarkResult], order: Order, decide: Decide) -> int | None:
    """Return after how many tasks it was certain that the candidate would be kept; None where only the last told.

    Args:
        results: Every benchmark, with what is known of it.
        order: All gate tasks.
        decide: The gate.
    """
    candidates = {result.name: result.candidate for result in results}
    finished = next((n for n, (name, task) in enumerate(order) if task not in candidates[name]), len(order))

    def certain(tasks: int) -> bool:
        return not still_open(results, _first(results, order, tasks), decide)

    low, high = 0, min(finished, len(order) - 1)
    if high < 0 or not certain(high):
        return None
    while low < high:  # what is certain stays certain, so that the first such number can be bisected
        middle = (low + high) // 2
        low, high = (low, middle) if certain(middle) else (middle + 1, high)
    return low


def decide_early(results: Sequence[BenchmarkResult], order: Order, decide: Decide) -> Decision:
    """Return the gate's decision, on the tasks up to the cut where there is one.

    The decision on a candidate that was cut short has the wins, losses and ties of the tasks up to the cut, and as
    p-value the smallest that any outcome of the rest could have given (None where there could be no verdict). Its gate
    benchmarks have no intervals: none holds where looking stopped because of what was seen.
    """
    cut = cut_after(results, order, decide)
    if cut is None:
        return decide(results)
    answered = _first(results, order, cut)
    best, seen = decide(_best_case(results, answered)), decide(_restricted(results, answered))
    audits = " Audit benchmarks were not scored." if any(result.role == "audit" for result in results) else ""
    tally = f" with {seen.wins} won, {seen.losses} lost" if cut else ""
    return replace(
        seen,
        promoted=False,
        p_value=best.p_value,
        evidence=tuple(_without_inference(each) if each.role == "gate" else each for each in seen.evidence),
        reason=f"kept: cut short after {cut} of {len(order)} tasks{tally}; had all the rest been passed: "
        f"{best.reason.removeprefix('kept: ')}{audits}",
    )


def _without_inference(each: BenchmarkEvidence) -> BenchmarkEvidence:
    return replace(each, champion_interval=None, candidate_interval=None, difference_interval=None, p_value=None)


def _first(results: Sequence[BenchmarkResult], order: Order, tasks: int) -> dict[str, set[str]]:
    answered: dict[str, set[str]] = {result.name: set() for result in results if result.role == "gate"}
    for name, task in order[:tasks]:
        answered[name].add(task)
    return answered


def _restricted(results: Sequence[BenchmarkResult], answered: Mapping[str, Collection[str]]) -> list[BenchmarkResult]:
    """Return the results without the candidate's on gate tasks that are left; audits as they are."""
    return [_only(result, answered[result.name]) if result.role == "gate" else result for result in results]


def _only(result: BenchmarkResult, tasks: Collection[str]) -> BenchmarkResult:
    return replace(result, candidate={task: passed for task, passed in result.candidate.items() if task in tasks})


def _best_case(results: Sequence[BenchmarkResult], answered: Mapping[str, Collection[str]]) -> list[BenchmarkResult]:
    """Return the results with every gate task that is left passed by the candidate."""
    return [
        _passing_the_rest(result, answered[result.name]) if result.role == "gate" else result
        for result in _restricted(results, answered)
    ]


def _passing_the_rest(result: BenchmarkResult, answered: Collection[str]) -> BenchmarkResult:
    rest = {task: (True,) * len(passed) for task, passed in result.champion.items() if task not in answered}
    return replace(result, candidate={**result.candidate, **rest})


def _uneven(results: Sequence[BenchmarkResult], answered: Mapping[str, Collection[str]]) -> bool:
    """Return whether tasks of one gate benchmark differ in their number of samples."""
    return any(
        len({len(passed) for passed in (*result.champion.values(), *result.candidate.values())}) > 1
        for result in _restricted(results, answered)
        if result.role == "gate"
    )
