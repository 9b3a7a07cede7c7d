"""One line a round: what the dashboard, `status` and the report show of a run's past."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from state.records import Adapter, Promotion, Reliability, Round, Stage, TrainStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Champion and candidate on one benchmark, as the gate saw them."""

    benchmark: str
    role: str
    """"gate" | "audit"."""
    tasks: int
    """Compared on both sides."""
    champion_frac: float | None
    """pass@1 in [0, 1]."""
    candidate_frac: float | None
    interval: tuple[float, float] | None
    """95% interval of candidate - champion."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundOverview:
    """A round so far; what is not known yet is None."""

    number: int
    outcome: str | None
    """"promoted" | "kept" | "abandoned"; None while open."""
    judged: int
    """Problems that have a pass matrix."""
    codes: int
    """Code samples that count: parsed, and no duplicate."""
    tests: int
    executions: int
    selected: bool
    """Selection is done: `pairs` are all that there will be."""
    pairs: int
    measured: int | None
    """Pairs of the trained rule whose truth is known; None before selection."""
    good: int | None
    """Of these, chosen right and rejected wrong."""
    inverted: int | None
    """Of these, chosen wrong and rejected right."""
    loss: float | None
    """Last logged."""
    comparisons: tuple[Comparison, ...]
    reason: str | None
    """The gate's sentence, why there was no candidate, or why the round was abandoned."""
    wall_s: float
    """Sum over finished stages."""


def of_round(  # noqa: PLR0913  (one call site; every part of a round)
    turn: Round,
    *,
    judged: int,
    codes: int,
    tests: int,
    executions: int,
    rules: Mapping[str, int],
    reliability: Sequence[Reliability],
    steps: Sequence[TrainStep],
    adapters: Sequence[Adapter],
    promotions: Sequence[Promotion],
    stages: Sequence[Stage],
) -> RoundOverview:
    """Return the summary of a round from its rows.

    Args:
        turn: The round.
        judged: Number of its matrices.
        codes: Number of its usable code samples.
        tests: Number of its usable test samples.
        executions: Number of its executions.
        rules: Rule -> number of pairs; the trained rule is the one that has pairs.
        reliability: Its rows, all rules.
        steps: Its training steps, in order.
        adapters: Its candidate, if any.
        promotions: The gate's decision, if any.
        stages: Its finished stages.
    """
    trained = [row for row in reliability if row.rule in rules]
    losses = [step.loss for step in steps if step.loss is not None]
    reasons = [row.reason for row in promotions] or [row.reason for row in adapters if row.outcome != "trained"]
    return RoundOverview(
        number=turn.number,
        outcome=turn.outcome,
        judged=judged,
        codes=codes,
        tests=tests,
        executions=executions,
        selected=any(stage.name == "select" for stage in stages),
        pairs=sum(rules.values()),
        measured=sum(row.measured for row in trained) if trained else None,
        good=sum(row.good for row in trained) if trained else None,
        inverted=sum(row.inverted for row in trained) if trained else None,
        loss=losses[-1] if losses else None,
        comparisons=comparisons(promotions[0].evidence) if promotions else (),
        reason=reasons[0] if reasons else None,
        wall_s=math.fsum(stage.wall_s for stage in stages),
    )


def comparisons(evidence: str) -> tuple[Comparison, ...]:
    """Return what `Promotion.evidence` says, a benchmark each."""
    return tuple(
        Comparison(
            benchmark=row["name"],
            role=row["role"],
            tasks=row["tasks"],
            champion_frac=row["champion_pass"],
            candidate_frac=row["candidate_pass"],
            interval=tuple(row["difference_interval"]) if row["difference_interval"] else None,
        )
        for row in json.loads(evidence)
    )
