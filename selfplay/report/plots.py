"""Facts -> the rows of each plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from selfplay.paired import wilson_interval
from selfplay.report.charts import Plot, Row, champion_curve, reliability, stage_times, task_grid, training
from selfplay.report.facts import Facts
from selfplay.report.standings import BenchmarkView, Standing

CURVES = ("loss", "reward_margin", "reward_accuracy", "chosen_logp", "rejected_logp")
GRID_ROWS = 20
"""Sets of weights in a grid of tasks, the base model and the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plots:
    """What is drawn; None where there is nothing to draw yet."""

    curves: Mapping[str, Plot] = field(default_factory=dict)
    """Benchmark -> curve of its champions."""
    grids: Mapping[str, Plot] = field(default_factory=dict)
    """Benchmark -> which weights pass which task."""
    times: Plot | None = None
    training: Plot | None = None
    reliability: Plot | None = None


def plots(facts: Facts) -> Plots:
    """Return every plot of a run."""
    times, steps, rules = time_rows(facts), step_rows(facts), reliability_rows(facts)
    return Plots(
        curves={view.name: champion_curve(curve_rows(view), view.name) for view in facts.benchmarks if view.curve},
        grids={view.name: task_grid(grid_rows(view), view.name) for view in facts.benchmarks},
        times=stage_times(times) if times else None,
        training=training(steps) if any(row[key] is not None for row in steps for key in CURVES) else None,
        reliability=reliability(rules) if rules else None,
    )


def curve_rows(view: BenchmarkView) -> list[Row]:
    """Return the champion after each round and every candidate that was scored to the end, in percent."""
    outcomes = {contest.round_number: contest.outcome for contest in view.contests}
    rows = [_point(after, "champion", champion) for after, champion in view.curve]
    for standing in view.standings:
        outcome = outcomes.get(standing.round_number)
        if standing.round_number and standing.complete and outcome is not None:
            rows.append(_point(standing.round_number, f"candidate, {outcome}", standing))
    return rows


def _point(after: int, who: str, standing: Standing) -> Row:
    low, high = standing.interval
    return {"after": after, "who": who, "rate": 100 * standing.frac, "low": 100 * low, "high": 100 * high}


def grid_rows(view: BenchmarkView) -> list[Row]:
    """Return one row for each task and set of weights: the share that passed, None where it has no result."""
    shown = (*view.standings[:1], *view.standings[1:][-(GRID_ROWS - 1) :])
    order = sorted(view.tasks, key=lambda task: -sum(each.outcomes.get(task, 0.0) for each in shown))
    return [
        {
            "place": place,
            "weights": "base model" if each.round_number == 0 else f"round {each.round_number}",
            "passed": each.outcomes.get(task),
        }
        for each in shown
        for place, task in enumerate(order, start=1)
    ]


def time_rows(facts: Facts) -> list[Row]:
    """Return the seconds of every finished stage."""
    return [
        {"round": turn.number, "stage": stage.name, "seconds": stage.wall_s}
        for turn in facts.turns
        for stage in turn.stages
    ]


def step_rows(facts: Facts) -> list[Row]:
    """Return every logged training step, counted on over the rounds."""
    rows: list[Row] = []
    at = 0
    for turn in facts.turns:
        for step in turn.steps:
            values = {key: getattr(step, key) for key in CURVES}
            rows.append({"at": at + step.step, "round": turn.number, **values})
        at += max((step.step for step in turn.steps), default=0)
    return rows


def reliability_rows(facts: Facts) -> list[Row]:
    """Return each rule's shares of true and of inverted pairs among the measured ones, in percent."""
    rows: list[Row] = []
    for total in facts.rules:
        if not total.measured:
            continue
        for what, count in (("true", total.good), ("inverted", total.inverted)):
            low, high = wilson_interval(count, total.measured)
            share = 100 * count / total.measured
            rows.append({"rule": total.rule, "what": what, "share": share, "low": 100 * low, "high": 100 * high})
    return rows
