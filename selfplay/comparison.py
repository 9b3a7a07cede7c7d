"""What there is to say of two runs, A and B: the records that `compare` makes, and that `compare --json` writes.

Differences are B - A everywhere. docs/comparing.md documents every field for readers of the JSON; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """Something that runs may have in common."""

    group: str
    """"setting" | "code" | "model" | "data" | "packages" | "host"."""
    name: str
    a: object
    """As JSON has it; None where the run has none."""
    b: object
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many of how many, with its 95% interval (Wilson)."""

    count: int
    of: int
    frac: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """One set of weights on one benchmark, all tasks that its run has outcomes of."""

    tasks: int
    frac: float
    """pass@1 in [0, 1]."""
    interval: tuple[float, float]
    """Wilson, 95%, tasks as the unit."""
    complete: bool
    """Every task that the run's base model answered has an outcome."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """B's weights against A's, on the tasks that are the same and have outcomes of both."""

    tasks: int
    difference: float
    """pass@1 of B minus pass@1 of A."""
    interval: tuple[float, float]
    """Bonett-Price, 95%."""
    p_value: float
    """Exact, two-sided."""
    won: tuple[str, ...]
    """Tasks on which B does better."""
    lost: tuple[str, ...]
    ties: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSide:
    """One run on one benchmark."""

    role: str
    """"gate" | "audit"."""
    selected: bool
    """The run's champion was chosen for what it did on this benchmark: its score is optimistic."""
    base: Scored | None
    champion: Scored | None
    """The base model's where that leads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkComparison:
    """Both runs on a benchmark that both have scores of."""

    name: str
    a: BenchmarkSide
    b: BenchmarkSide
    barred: str | None
    """Why there is no difference to tell; None where the comparison is fair."""
    base: Versus | None
    """The base model in B against itself in A: a control, which shows what is only noise."""
    champion: Versus | None
    notes: tuple[str, ...]
    """What a reader should know of the tasks and graders."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """A run's pairs, and how true they are by the rule that trains."""

    rule: str
    pairs: int
    by_round: tuple[int, ...]
    """Of each round that has selected."""
    good: Share | None
    """Chosen right and rejected wrong, of the pairs that could be measured; None where none could."""
    inverted: Share | None
    """Chosen wrong and rejected right."""
    tests_right: Share | None
    """Tests in pairs, two each, that are right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a run has cost so far."""

    wall_s: float
    """Sum over finished stages."""
    stages_s: Mapping[str, float]
    """Stage -> wall time, in the order of a round."""
    tokens: int
    """Written by the model in finished stages."""
    executions: int
    """All that are stored."""
    s_per_pair: float | None
    """Wall time of everything for each pair; None without a pair."""
    s_per_promotion: float | None
    peak_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSide:
    """One run."""

    name: str
    id: str
    model: str
    begun: str
    """UTC, ISO 8601."""
    rounds: int
    finished: int
    promoted: int
    abandoned: int
    champion: int
    """Round that trained it; 0 is the base model."""
    pairs: Pairs
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Run B beside run A."""

    a: RunSide
    b: RunSide
    same_run: bool
    problems_in_both: int
    aspects: tuple[Aspect, ...]
    benchmarks: tuple[BenchmarkComparison, ...]
    only_a: tuple[str, ...]
    """Benchmarks of which B has no score."""
    only_b: tuple[str, ...]
