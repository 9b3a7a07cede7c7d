"""Two runs side by side: what differs, who scores better, and what each cost.

`read` takes from a database what is compared, `compare` is a pure function of two such readings. Differences are B - A
everywhere. Two sets of weights are compared task by task, on the tasks that both have outcomes of and that are the same
by the hash of everything a task asks and scores by; the test is exact and two-sided, because nobody said beforehand
which run should be ahead.

There is no difference, but a sentence that says why, where the base weights or the decoding differ or where no task is
the same in both.

Not covered: what other seeds would give. A p-value here is about tasks: these two sets of weights, other tasks of the
same kind. Two runs that differ in nothing but the seed end with different champions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfplay import config
from selfplay.comparison import (
    Aspect,
    BenchmarkComparison,
    BenchmarkSide,
    Comparison,
    Cost,
    Pairs,
    RunSide,
    Scored,
    Share,
    Versus,
)
from selfplay.config import Config
from selfplay.paired import difference_interval, two_sided_p_value, wilson_interval
from selfplay.report.facts import WRITING, RuleTotal, StageTotal, rule_totals, stage_totals
from selfplay.report.standings import BenchmarkView, Standing, benchmark_views, natural
from selfplay.scoring import decoding
from state.overview import RoundOverview
from state.records import GroundTruth, Problem, Promotion, Reliability, Round, Run, Stage
from state.store import Store

# -- what is read -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Truths:
    """The tasks of a benchmark that the newest host of a run can score."""

    host: str
    """As `GroundTruth.host`."""
    hashes: Mapping[str, str]
    """Task -> hash of everything it asks and scores by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is compared of a run."""

    run: Run
    settings: Config
    problems: frozenset[str]
    """Ids, those that are left out as well."""
    overviews: tuple[RoundOverview, ...]
    pairs_by_round: tuple[int, ...]
    """Of each round that has selected."""
    rule: RuleTotal | None
    """Reliability of the rule that trains; None before the first selection."""
    stages: tuple[StageTotal, ...]
    peak_bytes: int | None
    benchmarks: tuple[BenchmarkView, ...]
    truths: Mapping[str, Truths]
    champion_id: str | None
    """Adapter that leads; None is the base model."""
    champion: int
    """Round that trained it; 0 is the base model."""


def read(store: Store) -> Reading:
    """Return what is compared of the run in `store`, as it is at one moment.

    Raises:
        StoreError: The database cannot be read.
        ConfigError: The run has settings that this version does not know.
    """
    with store.one_moment():
        run = store.all(Run)[0]
        settings, rounds, stages = config.from_json(run.config), store.all(Round), store.all(Stage)
        overviews = store.rounds_overview()
        selected = {stage.round_id for stage in stages if stage.name == "select"}
        promoted = store.all(Promotion, promoted=True)
        champion = promoted[-1].candidate_id if promoted else None
        numbers = {turn.id: turn.number for turn in rounds}
        rules = rule_totals(store.all(Reliability), settings.select.rule)
        return Reading(
            run=run,
            settings=settings,
            problems=frozenset(problem.id for problem in store.all(Problem)),
            overviews=tuple(overviews),
            pairs_by_round=tuple(
                overview.pairs for turn, overview in zip(rounds, overviews, strict=True) if turn.id in selected
            ),
            rule=next((total for total in rules if total.trains), None),
            stages=stage_totals(stages),
            peak_bytes=max(
                (stage.peak_rss_bytes for stage in stages if stage.peak_rss_bytes is not None), default=None
            ),
            benchmarks=benchmark_views(store, settings, run.model_sha256, rounds, champion),
            truths=_truths(store.all(GroundTruth)),
            champion_id=champion,
            champion=numbers[promoted[-1].round_id] if promoted else 0,
        )


def _truths(found: Sequence[GroundTruth]) -> dict[str, Truths]:
    hosts = {truth.benchmark: truth.host for truth in found}  # by time: the newest stays
    return {
        name: Truths(
            host=host,
            hashes={
                truth.task_id: truth.task_sha256
                for truth in found
                if (truth.benchmark, truth.host, truth.passed) == (name, host, True)
            },
        )
        for name, host in hosts.items()
    }


# -- what comes of it --------------------------------------------------------------------------------------------------


def compare(a: Reading, b: Reading) -> Comparison:
    """Return what there is to say of two runs; `compare(b, a)` is its mirror image."""
    own, other = ({view.name: view for view in side.benchmarks} for side in (a, b))
    return Comparison(
        a=_run_side(a),
        b=_run_side(b),
        same_run=a.run.id == b.run.id and a.run.created_at == b.run.created_at,
        problems_in_both=len(a.problems & b.problems),
        aspects=(*_settings(a.settings, b.settings), *_surroundings(a, b)),
        benchmarks=tuple(_benchmark(own[name], other[name], a, b) for name in sorted(own.keys() & other.keys())),
        only_a=tuple(sorted(own.keys() - other.keys())),
        only_b=tuple(sorted(other.keys() - own.keys())),
    )


def _settings(a: Config, b: Config) -> list[Aspect]:
    """Return every setting; those that differ are those of `config.diff`."""
    own, other = config.leaves(a), config.leaves(b)
    return [Aspect(group="setting", name=key, a=own[key], b=other[key], same=own[key] == other[key]) for key in own]


def _surroundings(a: Reading, b: Reading) -> list[Aspect]:
    def aspect(group: str, name: str, own: object, other: object, *, same: bool | None = None) -> Aspect:
        return Aspect(group=group, name=name, a=own, b=other, same=own == other if same is None else same)

    def each(group: str, own: str, other: str) -> list[Aspect]:
        first, second = json.loads(own), json.loads(other)
        return [aspect(group, name, first.get(name), second.get(name)) for name in sorted(first.keys() | second.keys())]

    return [
        aspect("code", "code version", a.run.code_version, b.run.code_version),
        aspect("model", "base weights", a.run.model_sha256, b.run.model_sha256),
        aspect("data", "problems and tasks", a.run.data_sha256, b.run.data_sha256),
        aspect("data", "problems", len(a.problems), len(b.problems), same=a.problems == b.problems),
        *each("packages", a.run.packages, b.run.packages),
        *each("host", a.run.host, b.run.host),
    ]


# -- scores -----------------------------------------------------------------------------------------------------------


def _benchmark(own: BenchmarkView, other: BenchmarkView, a: Reading, b: Reading) -> BenchmarkComparison:
    name, samples = own.name, a.settings.benchmark.samples
    truths = [side.truths.get(name, Truths(host="{}", hashes={})) for side in (a, b)]
    first, second = (truth.hashes for truth in truths)
    same = frozenset(task for task in first.keys() & second.keys() if first[task] == second[task])
    barred = _barred(a, b, same)
    base, champion = (
        None if barred else _versus(_standing(own, a, who), _standing(other, b, who), same, samples)
        for who in ("base", "champion")
    )
    if barred is None and champion is None:
        barred = "no task has an outcome of both champions yet"
    return BenchmarkComparison(
        name=name,
        a=_benchmark_side(own, a),
        b=_benchmark_side(other, b),
        barred=barred,
        base=base,
        champion=champion,
        notes=_notes(truths[0], truths[1], same),
    )


def _barred(a: Reading, b: Reading, same: frozenset[str]) -> str | None:
    """Return why scores of the two runs cannot be compared, if they cannot."""
    if a.run.model_sha256 != b.run.model_sha256:
        return "the base models differ: a difference would be between models, not between what the runs made of them"
    first, second = (json.loads(decoding(side.settings.benchmark)) for side in (a, b))
    differ = [f"{key} (A {first[key]}, B {second[key]})" for key in first if first[key] != second[key]]
    if differ:
        return f"the decoding differs: {', '.join(differ)}"
    return None if same else "no task is the same in both"


def _notes(a: Truths, b: Truths, same: frozenset[str]) -> tuple[str, ...]:
    notes = []
    left = [(letter, len(truth.hashes) - len(same)) for letter, truth in (("A", a), ("B", b))]
    if any(count for _, count in left):
        notes.append(f"tasks not the same in both: {', '.join(f'{count} of {letter}' for letter, count in left)}")
    first, second = json.loads(a.host), json.loads(b.host)
    differ = sorted(key for key in first.keys() | second.keys() if first.get(key) != second.get(key))
    if differ:
        notes.append(f"graded on hosts that differ in {', '.join(differ)}")
    return tuple(notes)


def _standing(view: BenchmarkView, side: Reading, who: str) -> Standing | None:
    """Return the base model's or the champion's outcomes."""
    return view.of_round(side.champion if who == "champion" else 0)


def _versus(a: Standing | None, b: Standing | None, same: frozenset[str], samples: int) -> Versus | None:
    """Return B against A; None where no task has an outcome of both.

    Args:
        a: Outcomes of A's weights.
        b: Outcomes of B's.
        same: Tasks that are the same in both runs.
        samples: Of each task, in both.
    """
    if a is None or b is None:
        return None
    tasks = sorted(same & a.outcomes.keys() & b.outcomes.keys(), key=natural)
    if not tasks:
        return None
    change = {task: round(samples * b.outcomes[task]) - round(samples * a.outcomes[task]) for task in tasks}
    counts = list(change.values())
    won, lost = (tuple(task for task in tasks if sign * change[task] > 0) for sign in (1, -1))
    return Versus(
        tasks=len(tasks),
        difference=sum(counts) / (samples * len(tasks)),
        interval=difference_interval([count / samples for count in counts]),
        p_value=two_sided_p_value(counts),
        won=won,
        lost=lost,
        ties=len(tasks) - len(won) - len(lost),
    )


def _benchmark_side(view: BenchmarkView, side: Reading) -> BenchmarkSide:
    base, champion = (_scored(_standing(view, side, who)) for who in ("base", "champion"))
    return BenchmarkSide(
        role=view.role, selected=view.role == "gate" and side.champion_id is not None, base=base, champion=champion
    )


def _scored(standing: Standing | None) -> Scored | None:
    if standing is None:
        return None
    return Scored(tasks=standing.tasks, frac=standing.frac, interval=standing.interval, complete=standing.complete)


# -- one run ----------------------------------------------------------------------------------------------------------


def _run_side(side: Reading) -> RunSide:
    outcomes = [turn.outcome for turn in side.overviews]
    promoted = outcomes.count("promoted")
    return RunSide(
        name=side.run.name,
        id=side.run.id,
        model=side.run.model,
        begun=side.run.created_at,
        rounds=len(outcomes),
        finished=sum(outcome is not None for outcome in outcomes),
        promoted=promoted,
        abandoned=outcomes.count("abandoned"),
        champion=side.champion,
        pairs=_pairs(side),
        cost=_cost(side, promoted),
    )


def _pairs(side: Reading) -> Pairs:
    rule = side.rule
    return Pairs(
        rule=side.settings.select.rule,
        pairs=sum(turn.pairs for turn in side.overviews),
        by_round=side.pairs_by_round,
        good=_share(rule.good, rule.measured) if rule else None,
        inverted=_share(rule.inverted, rule.measured) if rule else None,
        tests_right=_share(rule.tests_right, rule.tests_measured) if rule else None,
    )


def _share(count: int, of: int) -> Share | None:
    return Share(count=count, of=of, frac=count / of, interval=wilson_interval(count, of)) if of else None


def _cost(side: Reading, promoted: int) -> Cost:
    wall_s, pairs = math.fsum(stage.wall_s for stage in side.stages), sum(turn.pairs for turn in side.overviews)
    return Cost(
        wall_s=wall_s,
        stages_s={stage.name: stage.wall_s for stage in side.stages},
        tokens=sum(stage.tokens or 0 for stage in side.stages if stage.name in WRITING),
        executions=sum(turn.executions for turn in side.overviews),
        s_per_pair=wall_s / pairs if pairs else None,
        s_per_promotion=wall_s / promoted if promoted else None,
        peak_bytes=side.peak_bytes,
    )
