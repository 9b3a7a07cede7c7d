"""Benchmarks task by task: what each set of weights passed, and what every candidate won and lost."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfplay.config import Config
from selfplay.paired import difference_interval, wilson_interval
from selfplay.scoring import decoding
from state.records import Adapter, GroundTruth, Promotion, Round, Score
from state.store import Store

EXAMPLES = 2
"""Tasks won, and tasks lost, whose answers are shown for each round."""
EXAMPLE_ROUNDS = 8
"""Rounds, the newest, for which answers are shown."""

Outcomes = Mapping[str, float]
"""Task -> share of samples that passed, in [0, 1]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One set of weights on one benchmark."""

    weights_id: str
    round_number: int
    """Round that trained it; 0 is the base model."""
    outcomes: Outcomes
    complete: bool
    """Every task that the base model answered has an outcome: not so where a candidate was cut short."""

    @property
    def tasks(self) -> int:
        """Tasks with an outcome."""
        return len(self.outcomes)

    @property
    def frac(self) -> float:
        """pass@1 in [0, 1]."""
        return sum(self.outcomes.values()) / len(self.outcomes)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson, 95%, tasks as the unit."""
        return wilson_interval(sum(self.outcomes.values()), len(self.outcomes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Both answers to one task."""

    task: str
    champion: Score
    candidate: Score


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """A round's candidate against its champion, on the tasks that both have outcomes of."""

    round_number: int
    outcome: str | None
    """Of the round: "promoted" | "kept"; None while it is open."""
    won: tuple[str, ...]
    lost: tuple[str, ...]
    both: int
    """Ties in which both pass more than nothing."""
    neither: int
    examples_won: tuple[Example, ...] = ()
    examples_lost: tuple[Example, ...] = ()

    @property
    def tasks(self) -> int:
        """Tasks compared."""
        return len(self.won) + len(self.lost) + self.both + self.neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The champion against the base model."""

    difference: float
    interval: tuple[float, float]
    """Bonett-Price, 95%."""
    wins: int
    losses: int
    tasks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkView:
    """One benchmark."""

    name: str
    role: str
    """"gate" | "audit"."""
    tasks: tuple[str, ...]
    """In the order of their numbers."""
    left_out: tuple[tuple[str, str], ...]
    """(task, what its own right program did here)."""
    standings: tuple[Standing, ...]
    """The base model, then the candidates by round."""
    curve: tuple[tuple[int, Standing], ...]
    """(rounds finished, champion): before the first round, and after each decision."""
    contests: tuple[Contest, ...]
    gain: Gain | None
    """None while the base model leads."""

    def of_round(self, number: int) -> Standing | None:
        """Return the outcomes of the weights that a round trained, 0 for the base model; None where there are none."""
        return next((standing for standing in self.standings if standing.round_number == number), None)


def benchmark_views(
    store: Store, settings: Config, base: str, rounds: Sequence[Round], champion: str | None
) -> tuple[BenchmarkView, ...]:
    """Return every benchmark of the run that has scores, those that decide first.

    Args:
        store: The run's database.
        settings: The run's config.
        base: Weights id of the base model.
        rounds: By number.
        champion: Adapter that leads now; None is the base model.
    """
    section = settings.benchmark
    named = [(name, "gate") for name in section.gate] + [(name, "audit") for name in section.audit]
    views = [_view(store, name, role, decoding(section), base, rounds, champion) for name, role in named]
    return tuple(view for view in views if view.standings)


def _view(
    store: Store, name: str, role: str, decoded: str, base: str, rounds: Sequence[Round], champion: str | None
) -> BenchmarkView:
    left_out = left_out_tasks(store, name)
    trained = [
        (turn.number, adapter.id)
        for turn in rounds
        for adapter in store.all(Adapter, round_id=turn.id)
        if adapter.sha256
    ]
    scores: dict[str, dict[str, list[Score]]] = {}
    for weights in [base, *(weights for _, weights in trained)]:
        for score in store.scores(weights, name, decoded):
            if score.task_id not in left_out:
                scores.setdefault(weights, {}).setdefault(score.task_id, []).append(score)
    tasks = tuple(sorted(scores.get(base, {}), key=natural))
    standings = {
        weights: Standing(
            weights_id=weights,
            round_number=number,
            outcomes={task: sum(s.passed for s in found) / len(found) for task, found in scores[weights].items()},
            complete=scores[weights].keys() >= set(tasks),
        )
        for number, weights in [(0, base), *trained]
        if weights in scores
    }
    contests: list[Contest] = []
    curve = [(0, standings[base])] if base in standings else []
    for turn in rounds:
        candidate = next((weights for number, weights in trained if number == turn.number), None)
        leader = turn.champion_id or base
        promoted = bool(store.all(Promotion, round_id=turn.id, promoted=True))
        if candidate in standings and leader in standings:
            shown = EXAMPLES if turn.number > rounds[-1].number - EXAMPLE_ROUNDS else 0
            contests.append(_contest(turn.number, turn.outcome, scores[leader], scores[candidate], shown))
        if turn.outcome is not None and (candidate if promoted else leader) in standings:
            curve.append((turn.number, standings[candidate if promoted and candidate else leader]))
    return BenchmarkView(
        name=name,
        role=role,
        tasks=tasks,
        left_out=tuple(sorted(left_out.items(), key=lambda item: natural(item[0]))),
        standings=tuple(standings.values()),
        curve=tuple(curve),
        contests=tuple(contests),
        gain=gain_over(standings.get(base), standings.get(champion)) if champion else None,
    )


def left_out_tasks(store: Store, benchmark: str) -> dict[str, str]:
    """Return the tasks that the newest host could not score, with what became of their own right programs."""
    found = store.all(GroundTruth, benchmark=benchmark)  # by time
    latest = {truth.task_id: truth for truth in found if truth.host == found[-1].host}
    return {task: truth.status for task, truth in latest.items() if not truth.passed}


def natural(task: str) -> tuple[str | int, ...]:
    """Return a sort key in which HumanEval/9 comes before HumanEval/10."""
    return tuple(int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", task))


def _frac(scores: Sequence[Score]) -> float:
    return sum(score.passed for score in scores) / len(scores)


def _contest(
    number: int,
    outcome: str | None,
    champion: Mapping[str, Sequence[Score]],
    candidate: Mapping[str, Sequence[Score]],
    shown: int,
) -> Contest:
    common = sorted(champion.keys() & candidate.keys(), key=natural)
    change = {task: _frac(candidate[task]) - _frac(champion[task]) for task in common}
    won = tuple(task for task in common if change[task] > 0)
    lost = tuple(task for task in common if change[task] < 0)
    ties = [task for task in common if change[task] == 0]
    both = sum(_frac(champion[task]) > 0 for task in ties)

    def examples(tasks: Sequence[str]) -> tuple[Example, ...]:
        return tuple(
            Example(task=task, champion=champion[task][0], candidate=candidate[task][0]) for task in tasks[:shown]
        )

    return Contest(
        round_number=number,
        outcome=outcome,
        won=won,
        lost=lost,
        both=both,
        neither=len(ties) - both,
        examples_won=examples(won),
        examples_lost=examples(lost),
    )


def gain_over(base: Standing | None, champion: Standing | None) -> Gain | None:
    """Return what one set of weights gained over another; None where no task has an outcome of both."""
    if base is None or champion is None:
        return None
    differences = [
        champion.outcomes[task] - base.outcomes[task] for task in sorted(base.outcomes.keys() & champion.outcomes)
    ]
    if not differences:
        return None
    return Gain(
        difference=sum(differences) / len(differences),
        interval=difference_interval(differences),
        wins=sum(difference > 0 for difference in differences),
        losses=sum(difference < 0 for difference in differences),
        tasks=len(differences),
    )
