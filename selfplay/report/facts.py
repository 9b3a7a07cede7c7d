"""Everything that the report says of a run, read from its database at one moment.

Each number of the page is a field here, or a count or share of some; the templates only choose words and formats.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from selfplay import config
from selfplay.config import Config
from selfplay.gate import BenchmarkEvidence
from selfplay.report.origins import AdapterOrigin, lineage
from selfplay.report.problem_views import ProblemView, problem_views
from selfplay.report.standings import BenchmarkView, benchmark_views
from state.overview import RoundOverview
from state.records import (
    Adapter,
    Matrix,
    Pair,
    Problem,
    Promotion,
    Reliability,
    Round,
    Run,
    Sample,
    Stage,
    TrainStep,
)
from state.store import Store

DEFECTS = ("no_code", "syntax_error", "no_entry_point", "no_call", "unbound_name", "duplicate", "surplus")
STAGES = ("problems", "code", "tests", "judge", "select", "train", "benchmark", "gate")
WRITING = ("code", "tests", "benchmark")
"""Stages whose tokens the model wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One round."""

    round: Round
    overview: RoundOverview
    leader: int
    """Who wrote its samples: the round that trained it, or 0 for the base model."""
    stages: tuple[Stage, ...]
    reliability: tuple[Reliability, ...]
    trained: Reliability | None
    """Of the configured rule; None before selection."""
    steps: tuple[TrainStep, ...]
    adapter: Adapter | None
    promotion: Promotion | None
    evidence: tuple[BenchmarkEvidence, ...]
    problems: tuple[ProblemView, ...]
    """Those that are shown with matrix and pair; not all, where there are many."""

    @property
    def number(self) -> int:
        """The round's number."""
        return self.round.number

    @property
    def losses(self) -> tuple[float, ...]:
        """Logged losses, by step."""
        return tuple(step.loss for step in self.steps if step.loss is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTotal:
    """One rule's reliability over all rounds."""

    rule: str
    trains: bool
    """It is the configured rule."""
    pairs: int
    measured: int
    good: int
    inverted: int
    tests_measured: int
    tests_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageTotal:
    """One stage over all rounds that finished it; None where no round says."""

    name: str
    wall_s: float
    model_s: float | None
    sandbox_s: float | None
    tokens: int | None
    executions: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What became of the samples of one kind."""

    kind: str
    """"code" | "test"."""
    samples: int
    usable: int
    defects: tuple[tuple[str, int], ...]
    """Why the others are in no matrix, with counts; those that occur."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value of the config."""

    key: str
    value: str
    preset: str | None
    """What the preset says, where this run differs from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """A run."""

    run: Run
    settings: tuple[Setting, ...]
    packages: tuple[tuple[str, str], ...]
    host: tuple[tuple[str, str], ...]
    turns: tuple[Turn, ...]
    problems: int
    sources: tuple[str, ...]
    """Where the problems come from, sorted."""
    dropped: tuple[Problem, ...]
    fates: tuple[Fate, ...]
    rules: tuple[RuleTotal, ...]
    stages: tuple[StageTotal, ...]
    """In the order in which a round has them."""
    benchmarks: tuple[BenchmarkView, ...]
    champion: int
    """As `Turn.leader`."""
    lineage: tuple[AdapterOrigin, ...]
    """From the champion back to the first adapter, from the last candidate while the base model leads; empty where
    nothing was trained."""
    pairs: int
    matrices: int
    executions: int
    wall_s: float
    """Sum over finished stages."""
    tokens: int
    """Written by the model in finished stages."""

    @property
    def finished(self) -> int:
        """Rounds that are finished."""
        return sum(turn.round.finished_at is not None for turn in self.turns)

    @property
    def promoted(self) -> tuple[Turn, ...]:
        """Rounds whose candidate became the champion."""
        return tuple(turn for turn in self.turns if turn.promotion is not None and turn.promotion.promoted)

    @property
    def shown_pairs(self) -> frozenset[str]:
        """Ids of the pairs that are shown in full."""
        return frozenset(view.pair.id for turn in self.turns for view in turn.problems if view.pair is not None)

    @property
    def problems_shown(self) -> int:
        """Matrices that are shown in full."""
        return sum(len(turn.problems) for turn in self.turns)


def read(store: Store) -> Facts:
    """Return everything that the report says of the run in `store`.

    Raises:
        StoreError: The database cannot be read.
        ConfigError: The run has settings that this version does not know.
    """
    run = store.all(Run)[0]
    settings = config.from_json(run.config)
    rounds = store.all(Round)
    adapters = {adapter.id: adapter for adapter in store.all(Adapter)}
    numbers = {turn.id: turn.number for turn in rounds}
    trained_in: dict[str | None, int] = {None: 0}
    trained_in |= {key: numbers[adapter.round_id] for key, adapter in adapters.items()}
    views = problem_views(store, rounds)
    overviews = store.rounds_overview()
    turns = tuple(
        _turn(store, turn, overview, trained_in[turn.champion_id], settings.select.rule, views.get(turn.id, ()))
        for turn, overview in zip(rounds, overviews, strict=True)
    )
    promoted = [turn.promotion.candidate_id for turn in turns if turn.promotion and turn.promotion.promoted]
    trained = [turn.adapter.id for turn in turns if turn.adapter and turn.adapter.sha256]
    champion = promoted[-1] if promoted else None
    traced = champion or (trained[-1] if trained else None)
    problems = store.all(Problem)
    stages = [stage for turn in turns for stage in turn.stages]
    return Facts(
        run=run,
        settings=_settings(settings),
        packages=_items(run.packages),
        host=_items(run.host),
        turns=turns,
        problems=len(problems),
        sources=tuple(sorted({problem.source for problem in problems})),
        dropped=tuple(problem for problem in problems if problem.dropped is not None),
        fates=tuple(_fate(store, kind) for kind in ("code", "test")),
        rules=rule_totals([row for turn in turns for row in turn.reliability], settings.select.rule),
        stages=stage_totals(stages),
        benchmarks=benchmark_views(store, settings, run.model_sha256, rounds, champion),
        champion=trained_in[champion],
        lineage=lineage(store, traced, adapters, numbers) if traced else (),
        pairs=store.count(Pair),
        matrices=store.count(Matrix),
        executions=sum(overview.executions for overview in overviews),
        wall_s=math.fsum(stage.wall_s for stage in stages),
        tokens=sum(stage.tokens or 0 for stage in stages if stage.name in WRITING),
    )


def _turn(
    store: Store, turn: Round, overview: RoundOverview, leader: int, rule: str, problems: tuple[ProblemView, ...]
) -> Turn:
    reliability = store.all(Reliability, round_id=turn.id)
    adapters = store.all(Adapter, round_id=turn.id)
    promotions = store.all(Promotion, round_id=turn.id)
    return Turn(
        round=turn,
        overview=overview,
        leader=leader,
        stages=tuple(sorted(store.all(Stage, round_id=turn.id), key=lambda stage: STAGES.index(stage.name))),
        reliability=tuple(reliability),
        trained=next((row for row in reliability if row.rule == rule), None),
        steps=tuple(store.all(TrainStep, round_id=turn.id)),
        adapter=adapters[0] if adapters else None,
        promotion=promotions[0] if promotions else None,
        evidence=read_evidence(promotions[0].evidence) if promotions else (),
        problems=problems,
    )


def read_evidence(text: str) -> tuple[BenchmarkEvidence, ...]:
    """Return what `gate.evidence_json` wrote."""
    rows: list[dict[str, Any]] = json.loads(text)
    for row in rows:
        row.update({key: tuple(value) for key, value in row.items() if isinstance(value, list)})
    return tuple(BenchmarkEvidence(**row) for row in rows)


def _fate(store: Store, kind: str) -> Fate:
    counts = [(defect, store.count(Sample, kind=kind, defect=defect)) for defect in DEFECTS]
    return Fate(
        kind=kind,
        samples=store.count(Sample, kind=kind),
        usable=store.count(Sample, kind=kind, defect=None),
        defects=tuple((defect, count) for defect, count in counts if count),
    )


def rule_totals(rows: Sequence[Reliability], trains: str) -> tuple[RuleTotal, ...]:
    """Return each rule's sums, the configured rule first and then by name."""
    rules = sorted({row.rule for row in rows}, key=lambda rule: (rule != trains, rule))

    def total(rule: str, field: str) -> int:
        return sum(getattr(row, field) for row in rows if row.rule == rule)

    fields = ("pairs", "measured", "good", "inverted", "tests_measured", "tests_right")
    return tuple(
        RuleTotal(rule=rule, trains=rule == trains, **{field: total(rule, field) for field in fields}) for rule in rules
    )


def stage_totals(stages: Sequence[Stage]) -> tuple[StageTotal, ...]:
    """Return each stage's sums, in the order of a round; those that no round has finished are left out."""
    return tuple(_stage_total(name, stages) for name in STAGES if any(stage.name == name for stage in stages))


def _stage_total(name: str, stages: Sequence[Stage]) -> StageTotal:
    own = [stage for stage in stages if stage.name == name]

    def seconds(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return math.fsum(known) if known else None

    def count(values: Sequence[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    return StageTotal(
        name=name,
        wall_s=math.fsum(stage.wall_s for stage in own),
        model_s=seconds([stage.model_s for stage in own]),
        sandbox_s=seconds([stage.sandbox_s for stage in own]),
        tokens=count([stage.tokens for stage in own]),
        executions=count([stage.executions for stage in own]),
    )


def _settings(settings: Config) -> tuple[Setting, ...]:
    """Return every value of the config, dotted, with the preset's own where it differs."""
    preset = config.leaves(config.load(settings.preset)) if settings.preset in config.preset_names() else {}
    return tuple(
        Setting(
            key=key,
            value=_shown(value),
            preset=_shown(preset[key]) if key in preset and preset[key] != value else None,
        )
        for key, value in config.leaves(settings).items()
    )


def _items(text: str) -> tuple[tuple[str, str], ...]:
    """Return what a JSON object says, in words; sizes in GiB."""
    found = json.loads(text)
    return tuple(
        (key.removesuffix("_bytes"), f"{value / 1024**3:.1f} GiB")
        if key.endswith("_bytes") and isinstance(value, int)
        else (key, _shown(value))
        for key, value in found.items()
    )


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
