"""Promote the candidate or keep the champion: pure functions of per-task results.

What is tested. Each task gives one difference, the candidate's share of passed samples minus the champion's. Under the
null hypothesis, "on every task the candidate is as good as the champion, or worse", each difference that is not zero is
as likely to be a loss as a win of the same size, or likelier. `sign_flip_p_value` (paired.py) computes the exact
one-sided probability of a sum of differences at least as large. With one sample a task this is McNemar's exact test
(the sign test on the tasks where the two differ). All tasks of all gate benchmarks are pooled with equal weight: as
each task is compared with itself alone, this is the test stratified by benchmark.

A candidate is promoted when all of this holds:
  1. every gate benchmark has complete results of both for at least `min_coverage` of its tasks;
  2. the p-value is not above `alpha_round`;
  3. on no gate benchmark does the observed difference fall below -margin.

Level. Condition 2 alone bounds the chance of promoting a candidate that is no better by alpha_round; 1 and 3 can only
turn a promotion down. `alpha_for_round` adds up to alpha over any number of rounds, so by the union bound the chance
that a run promotes any such candidate is at most alpha, however the rounds depend on each other.

The margin is a veto on the point estimate. It guarantees that no promoted candidate *was seen to* lose more than the
margin on any gate benchmark; it does not bound the true loss. A bound (the interval's lower end above -margin) would
need differences of several points on 164 tasks before anything could be promoted, so that the interval is reported
instead. With a single gate benchmark the veto never binds: a significant gain is no loss.

Not covered:
  - Tasks unlike those of the benchmark. With the same tasks in each round, the champion is the one that did well on
    them, which makes later promotions harder, not easier.
  - Contamination of the base model by a benchmark raises both sides and is not seen.
  - With several samples a task the null is "no task got better". A candidate that gains on some tasks exactly what it
    loses on others is outside it, and there the level holds only approximately (with one sample it holds exactly for
    tasks drawn at random from a population).
  - Host errors that befall one side more than the other within the coverage floor.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from selfplay.paired import difference_interval, min_wins_needed, sign_flip_p_value, wilson_interval


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkResult:
    """What champion and candidate did on one benchmark."""

    name: str
    role: Literal["gate", "audit"]
    """"audit" is reported and never read for the decision."""
    champion: Mapping[str, tuple[bool, ...]]
    """Task id -> passed, one value a sample, in the order of the samples' seeds; no value for a host error."""
    candidate: Mapping[str, tuple[bool, ...]]
    tasks: int
    """Tasks that both were asked to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkEvidence:
    """One benchmark's comparison, on the tasks that both completed."""

    name: str
    role: str
    asked: int
    tasks: int
    """Tasks compared."""
    samples: int
    """Samples of each task."""
    wins: int
    losses: int
    ties: int
    champion_pass: float | None
    """pass@1; None where no task could be compared."""
    champion_interval: tuple[float, float] | None
    """Wilson, tasks as the unit; like every interval and p-value here None where the candidate was cut short."""
    candidate_pass: float | None
    candidate_interval: tuple[float, float] | None
    difference: float | None
    difference_interval: tuple[float, float] | None
    """Bonett-Price, tasks as the unit."""
    p_value: float | None
    """One-sided, of this benchmark alone: for readers, not for the decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether the candidate becomes the champion, and why."""

    promoted: bool
    reason: str
    """A sentence with the figures that decided."""
    wins: int
    """Tasks of gate benchmarks on which the candidate did better."""
    losses: int
    ties: int
    p_value: float | None
    """None where there is no verdict; a lower bound where the candidate was cut short (curtail.py)."""
    alpha: float
    evidence: tuple[BenchmarkEvidence, ...]


def alpha_for_round(alpha: float, round_number: int) -> float:
    """Return the level spent on a round, alpha / (r * (r + 1)): 1/2, 1/6, 1/12, ... of alpha.

    The sum over rounds 1 to R is alpha * (1 - 1 / (R + 1)), below alpha for every R: nobody has to say beforehand how
    many rounds there will be.

    Args:
        alpha: Level of the whole run, 0 < alpha < 1.
        round_number: Counts from 1.

    Raises:
        ValueError: Out of range.
    """
    if not 0 < alpha < 1 or round_number < 1:
        raise ValueError(f"no level for alpha {alpha} and round {round_number}")
    return alpha / (round_number * (round_number + 1))


def decide(results: Sequence[BenchmarkResult], *, alpha_round: float, margin: float, min_coverage: float) -> Decision:
    """Return the decision; the same results give the same decision, as nothing here is drawn at random.

    Args:
        results: One entry a benchmark, names all different. Those with role "audit" are only described.
        alpha_round: Level of this round, see `alpha_for_round`.
        margin: Largest loss of pass@1 (0..1) that any one gate benchmark may show.
        min_coverage: Share of each gate benchmark's tasks that both must have completed, in (0, 1].

    Raises:
        ValueError: Two benchmarks of one name, or more tasks compared than asked for.
    """
    names = [result.name for result in results]
    if len(set(names)) < len(names):
        raise ValueError(f"a benchmark may appear once, as gate or as audit: {', '.join(names)}")
    evidence = tuple(_describe(result) for result in results)
    gates = [each for each in evidence if each.role == "gate"]
    differences = [_differences(result) for result in results if result.role == "gate"]
    wins, losses, ties = (sum(getattr(each, name) for each in gates) for name in ("wins", "losses", "ties"))
    thin = [each for each in gates if each.tasks == 0 or each.tasks / each.asked < min_coverage]
    p_value = None if thin or not gates else sign_flip_p_value(_common_scale(differences))

    promoted, reason = _verdict(gates, thin, p_value, alpha_round=alpha_round, margin=margin, min_coverage=min_coverage)
    return Decision(
        promoted=promoted,
        reason=reason,
        wins=wins,
        losses=losses,
        ties=ties,
        p_value=p_value,
        alpha=alpha_round,
        evidence=evidence,
    )


def evidence_json(decision: Decision) -> str:
    """Return a decision's evidence as a JSON list, one object a benchmark."""
    return json.dumps([dataclasses.asdict(each) for each in decision.evidence])


def _verdict(
    gates: list[BenchmarkEvidence],
    thin: list[BenchmarkEvidence],
    p_value: float | None,
    *,
    alpha_round: float,
    margin: float,
    min_coverage: float,
) -> tuple[bool, str]:
    """Return whether to promote, and a sentence that says why."""
    if not gates:
        return False, "kept: no verdict, as no benchmark has the role of a gate."
    if p_value is None:
        gaps = ", ".join(f"{each.name}: {each.tasks} of {each.asked}" for each in thin)
        return (
            False,
            f"kept: no verdict, as too few tasks have results of both ({gaps}; {min_coverage:.1%} are needed).",
        )
    wins, losses, tasks = (sum(getattr(each, name) for each in gates) for name in ("wins", "losses", "tasks"))
    rates = ", ".join(f"{each.name} {each.champion_pass:.1%} -> {each.candidate_pass:.1%}" for each in gates)
    if wins == losses == 0:
        return False, f"kept: champion and candidate do equally well on each of {_count(tasks, 'task')} ({rates})."
    facts = f"{_count(wins, 'win')}, {_count(losses, 'loss', 'losses')} on {_count(tasks, 'task')} ({rates})"
    if p_value > alpha_round:
        least = _count(min_wins_needed(alpha_round), "win")
        return (
            False,
            f"kept: {facts}; p = {p_value:.3g} is above {alpha_round:.3g}, for which it takes at least {least}.",
        )
    falls = ", ".join(f"{each.name} by {-100 * (each.difference or 0):.1f}" for each in gates if _fell(each, margin))
    if falls:
        return False, f"kept: {facts}; p = {p_value:.3g}, but more points are lost than {100 * margin:.1f}: {falls}."
    return True, (
        f"promoted: {facts}; p = {p_value:.3g} is within {alpha_round:.3g}, "
        f"and no benchmark lost more than {100 * margin:.1f} points."
    )


def _fell(each: BenchmarkEvidence, margin: float) -> bool:
    return each.difference is not None and each.difference < -margin


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _paired(result: BenchmarkResult) -> tuple[list[tuple[int, int]], int]:
    """Return (champion passes, candidate passes) of each comparable task, sorted by task, and the samples of each.

    A task is comparable when both sides have all samples; "all" is the largest number that any task has on both sides.
    """
    common = sorted(result.champion.keys() & result.candidate.keys())
    if len(common) > result.tasks:
        raise ValueError(f"{result.name}: {len(common)} tasks compared, {result.tasks} asked for")
    counts = {task: min(len(result.champion[task]), len(result.candidate[task])) for task in common}
    samples = max(counts.values(), default=0)
    complete = [task for task in common if counts[task] == samples > 0]
    pairs = [(sum(result.champion[task][:samples]), sum(result.candidate[task][:samples])) for task in complete]
    return pairs, samples


def _differences(result: BenchmarkResult) -> tuple[list[int], int]:
    pairs, samples = _paired(result)
    return [candidate - champion for champion, candidate in pairs], samples


def _common_scale(benchmarks: Sequence[tuple[list[int], int]]) -> list[int]:
    """Return all differences as whole multiples of one share, so that each task weighs the same."""
    scale = math.lcm(*(samples for _, samples in benchmarks))
    return [difference * (scale // samples) for differences, samples in benchmarks for difference in differences]


def _describe(result: BenchmarkResult) -> BenchmarkEvidence:
    pairs, samples = _paired(result)
    differences = [candidate - champion for champion, candidate in pairs]
    n, total = len(pairs), len(pairs) * samples
    champion, candidate = sum(pair[0] for pair in pairs), sum(pair[1] for pair in pairs)
    return BenchmarkEvidence(
        name=result.name,
        role=result.role,
        asked=result.tasks,
        tasks=n,
        samples=samples,
        wins=sum(difference > 0 for difference in differences),
        losses=sum(difference < 0 for difference in differences),
        ties=sum(difference == 0 for difference in differences),
        champion_pass=champion / total if n else None,
        champion_interval=wilson_interval(champion / samples, n) if n else None,
        candidate_pass=candidate / total if n else None,
        candidate_interval=wilson_interval(candidate / samples, n) if n else None,
        difference=(candidate - champion) / total if n else None,
        difference_interval=difference_interval([each / samples for each in differences]) if n else None,
        p_value=sign_flip_p_value(differences) if n else None,
    )
