"""What `run_loop.py power` prints: how large a gain the gate of a preset or a run can see."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from selfplay import config, gate, startup
from selfplay.commands import OK, guarded, stored
from selfplay.config import Config
from selfplay.errors import UserError
from selfplay.machine import preset_for
from selfplay.paired import min_wins_needed
from selfplay.power import DRAWS, TARGET, GateBenchmark, Power
from selfplay.rounds_table import percent
from selfplay.scoring import decoding
from state.records import Promotion, Run
from state.store import Store


def show_power(
    preset: str | None, run: str | None, runs_dir: Path, *, tests: int, flips: float, overrides: Sequence[str]
) -> int:
    """Print the smallest gain that each of the next tests would promote in most cases."""

    def show() -> int:
        if run is None:
            settings = config.load(preset_for() if preset in (None, "auto") else preset, overrides)
            Console().print(picture(settings, _benchmarks(settings), first=1, tests=tests, flips=flips))
            return OK
        if preset is not None or overrides:
            raise UserError("a run has its settings: give --run, or --preset and --set, but not both")
        with stored(run, runs_dir) as store:
            settings = config.from_json(store.all(Run)[0].config)
            held = [each for each in store.all(Promotion) if each.p_value is not None]
            benchmarks = _benchmarks(settings, store)
        Console().print(picture(settings, benchmarks, first=len(held) + 1, tests=tests, flips=flips))
        return OK

    return guarded(show)


def _benchmarks(settings: Config, store: Store | None = None) -> list[GateBenchmark]:
    """Return the gate benchmarks, with the champion's result where it has been scored on all tasks."""
    tasks = startup.load_tasks(settings)
    found = []
    for name in settings.benchmark.gate:
        passed = None
        if store is not None:
            promoted = [each.candidate_id for each in store.all(Promotion, promoted=True)]
            weights = promoted[-1] if promoted else store.all(Run)[0].model_sha256
            scores = store.scores(weights or "", name, decoding(settings.benchmark))
            if len(scores) == len(tasks[name]) * settings.benchmark.samples:
                passed = sum(score.passed for score in scores) / settings.benchmark.samples
        found.append(GateBenchmark(name=name, tasks=len(tasks[name]), passed=passed))
    return found


def picture(
    settings: Config, benchmarks: Sequence[GateBenchmark], *, first: int, tests: int, flips: float
) -> RenderableType:
    """Return the smallest gains as a table, with everything that was assumed.

    Args:
        settings: Of the preset or the run.
        benchmarks: Those that decide.
        first: Number of the first test told; a run's earlier ones have been held.
        tests: How many to tell.
        flips: Share of the tasks won, and of those lost, by a candidate that is no better.
    """
    section, samples = settings.gate, settings.benchmark.samples
    power = Power(
        benchmarks=benchmarks, samples=samples, flips=flips, margin=section.margin, min_coverage=section.min_coverage
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in ("test", "level", "fewest wins", f"smallest gain promoted in {percent(TARGET, 0)} of cases"):
        table.add_column(heading, justify="right")
    for number in range(first, first + tests):
        alpha = gate.alpha_for_round(section.alpha, number)
        gain = power.smallest_gain(alpha)
        told = f"none: no more than {100 * power.largest_gain:.1f} points can be gained"
        table.add_row(
            str(number),
            f"{alpha:.5f}",
            str(min_wins_needed(alpha)) if samples == 1 else "",
            told if gain is None else f"+{100 * gain:.1f} points",
        )
    lines = [
        Text(f"gate: {', '.join(f'{each.name} ({each.tasks} tasks)' for each in benchmarks)}, {_each(samples)}"),
        Text(f"level {section.alpha:g} for the run, shared out over its tests; margin {100 * section.margin:g} points"),
        Text(f"assumed: a candidate that is no better wins {percent(flips)} of the tasks and loses {percent(flips)}"),
        Text(f"champion: {', '.join(_champion(each) for each in benchmarks)}"),
    ]
    how = (
        "Exact."
        if power.exact
        else f"Simulated: {DRAWS} rounds for each gain tried, seed 0; good to about half a point."
    )
    return Group(*lines, table, Text(f"{how} A gain is in points of pass@1, alike on all gate benchmarks."))


def _each(samples: int) -> str:
    return "1 sample a task" if samples == 1 else f"{samples} samples a task"


def _champion(each: GateBenchmark) -> str:
    if each.passed is None:
        return f"not scored yet on {each.name}"
    return f"{percent(each.passed / each.tasks)} of {each.name}"
