"""What `run_loop.py compare` prints: a comparison for people, or the same as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from selfplay.commands import OK, guarded, stored
from selfplay.compare import compare, read
from selfplay.comparison import (
    Aspect,
    BenchmarkComparison,
    BenchmarkSide,
    Comparison,
    Pairs,
    RunSide,
    Scored,
    Share,
    Versus,
)
from selfplay.room import size
from selfplay.rounds_table import clean, duration, percent, printable
from selfplay.status import when

_NONE = "-"
_GROUPS = {
    "code": "code version",
    "model": "base weights",
    "data": "problems and benchmark tasks",
    "packages": "packages",
    "host": "host",
}
_HEX = 64
"""Length of a hash, of which the first 12 digits are shown."""


def show_comparison(run_a: str, run_b: str, runs_dir: Path, *, as_json: bool) -> int:
    """Print what two runs have in common, and what not."""

    def show() -> int:
        with stored(run_a, runs_dir) as store:
            a = read(store)
        with stored(run_b, runs_dir) as store:
            found = compare(a, read(store))
        console = Console()
        if as_json:
            console.print(json.dumps(asdict(found), indent=2), markup=False, highlight=False, soft_wrap=True)
        else:
            console.print(render_comparison(found))
        return OK

    return guarded(show)


def render_comparison(found: Comparison) -> RenderableType:
    """Return the picture of a comparison, for a screen of 80 columns or more."""
    return _Picture(found)


@dataclass(frozen=True, slots=True)
class _Picture:
    found: Comparison

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the runs, what differs, scores, pairs and cost."""
        parts = Group(*_runs(self.found), *_aspects(self.found), *_scores(self.found), *_tables(self.found))
        yield from printable(parts, console, options)


def _runs(found: Comparison) -> Iterator[RenderableType]:
    for letter, side in (("A", found.a), ("B", found.b)):
        yield Text.assemble(
            (letter, "bold cyan"), "  ", (clean(side.name), "bold"), f"  {clean(side.model)}  begun {when(side.begun)}"
        )
        still = f", round {side.finished + 1} is open" if side.rounds > side.finished else ""
        gone = f", {side.abandoned} abandoned" if side.abandoned else ""
        rounds = f"{side.finished} of {_count(side.rounds, 'round')} finished{still}, {side.promoted} promoted{gone}"
        yield Text(f"   {rounds if side.rounds else 'no round has begun'}; champion: {_leader(side)}")
    if found.same_run:
        yield Text("A and B are the same run.", style="yellow")


def _aspects(found: Comparison) -> Iterator[RenderableType]:
    differ = [aspect for aspect in found.aspects if not aspect.same]
    same = len([aspect for aspect in found.aspects if aspect.same and aspect.group == "setting"])
    alike = [f"{same} settings" if any(each.group == "setting" for each in differ) else "all settings"]
    alike += [title for group, title in _GROUPS.items() if all(each.group != group for each in differ)]
    yield from _heading("What differs")
    if differ:
        table = _table("", "A", "B")
        for aspect in differ:
            table.add_row(Text(clean(_named(aspect))), *(_value(value) for value in (aspect.a, aspect.b)))
        yield table
    if any(aspect.name == "problems" for aspect in differ):
        yield Text(f"problems in both: {found.problems_in_both}")
    yield Text(f"the same: {', '.join(alike)}")


def _named(aspect: Aspect) -> str:
    return f"{aspect.group} {aspect.name}" if aspect.group in {"packages", "host"} else aspect.name


def _value(value: object) -> Text:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = _NONE if value is None else text
    return Text(clean(text[:12] if len(text) == _HEX and " " not in text else text), overflow="fold")


# -- scores -----------------------------------------------------------------------------------------------------------


def _scores(found: Comparison) -> Iterator[RenderableType]:
    yield from _heading("Scores: pass@1 in %, differences in points, 95% intervals")
    for benchmark in found.benchmarks:
        yield from _benchmark(benchmark, found)
    for letter, names in (("A", found.only_a), ("B", found.only_b)):
        if names:
            yield Text(f"scored in {letter} alone: {clean(', '.join(names))}")
    if not found.benchmarks:
        yield Text("no benchmark has scores in both runs: nothing to compare")
        return
    yield from _caution(found)


def _benchmark(benchmark: BenchmarkComparison, found: Comparison) -> Iterator[RenderableType]:
    roles = (
        benchmark.a.role
        if benchmark.a.role == benchmark.b.role
        else f"{benchmark.a.role} in A, {benchmark.b.role} in B"
    )
    yield Text.assemble((clean(benchmark.name), "bold"), f"  {roles}")
    table = _table("", "A", "B", "B - A")
    for title, a, b, versus in (
        ("base model", benchmark.a.base, benchmark.b.base, benchmark.base),
        ("champion", benchmark.a.champion, benchmark.b.champion, benchmark.champion),
    ):
        table.add_row(title, _rate(a), _rate(b), _points(versus))
    yield table
    yield from _tested(benchmark)
    if benchmark.barred:
        yield Text.assemble(("not comparable: ", "yellow"), clean(benchmark.barred))
    else:
        yield Text("comparable: same base weights, same decoding, tasks with the same text and tests")
        if found.a.champion == found.b.champion == 0:
            yield Text("Both champions are the base model: what differs here is noise.")
    for letter, side in (("A", benchmark.a), ("B", benchmark.b)):
        yield from _incomplete(letter, side)
    for note in benchmark.notes:
        yield Text(clean(note))


def _tested(benchmark: BenchmarkComparison) -> Iterator[RenderableType]:
    for title, versus in (("base model", benchmark.base), ("champion", benchmark.champion)):
        if versus is not None:
            counts = f"{len(versus.won)} won, {len(versus.lost)} lost, {versus.ties} tied"
            yield Text(f"{title}: {counts} on {_count(versus.tasks, 'task')}; p = {versus.p_value:.3g}")


def _incomplete(letter: str, side: BenchmarkSide) -> Iterator[RenderableType]:
    if side.champion is not None and not side.champion.complete:
        yield Text(f"{letter}'s champion has outcomes of {_count(side.champion.tasks, 'task')} only")


def _caution(found: Comparison) -> Iterator[RenderableType]:
    """Yield what the figures do not say."""
    told = [each for each in found.benchmarks if each.champion is not None]
    selected = [each.name for each in told if each.a.selected or each.b.selected]
    unbiased = [each.name for each in told if each.a.role == each.b.role == "audit"]
    if selected and not found.same_run:
        yield Text(f"Optimistic: a champion was chosen for what it did on {clean(', '.join(selected))}.")
    if unbiased:
        yield Text(f"No champion was chosen by {clean(', '.join(unbiased))}: what is seen there is not optimistic.")
    if told and not found.same_run:
        yield Text("p: exact, two-sided, over tasks. What another seed would give, one run a side cannot tell.")


def _rate(scored: Scored | None) -> str:
    if scored is None:
        return _NONE
    low, high = scored.interval
    return f"{percent(scored.frac)} [{100 * low:.1f}, {100 * high:.1f}]"


def _points(versus: Versus | None) -> str:
    if versus is None:
        return _NONE
    low, high = versus.interval
    return f"{100 * versus.difference:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"


# -- pairs and cost ---------------------------------------------------------------------------------------------------


def _tables(found: Comparison) -> Iterator[RenderableType]:
    a, b = found.a, found.b
    yield from _heading("Pairs, by the rule that trains")
    yield _two_columns(_pairs(a.pairs), _pairs(b.pairs))
    yield from _heading("Cost of finished stages")
    stages = list(dict.fromkeys([*a.cost.stages_s, *b.cost.stages_s]))
    yield _two_columns(_cost(a, stages), _cost(b, stages))


def _pairs(pairs: Pairs) -> list[tuple[str, str]]:
    counts = pairs.by_round
    mean = f"{sum(counts) / len(counts):.1f} ({min(counts)} to {max(counts)})" if counts else _NONE
    return [
        ("rule", pairs.rule),
        ("pairs", str(pairs.pairs)),
        ("pairs a round", mean),
        ("true", _share(pairs.good)),
        ("inverted", _share(pairs.inverted)),
        ("tests right", _share(pairs.tests_right)),
    ]


def _share(share: Share | None) -> str:
    if share is None:
        return _NONE
    low, high = share.interval
    return f"{share.count} of {share.of}: {percent(share.frac, 0)} [{100 * low:.0f}, {100 * high:.0f}]"


def _cost(side: RunSide, stages: Sequence[str]) -> list[tuple[str, str]]:
    cost = side.cost
    spent = [(f"  {name}", _seconds(cost.stages_s.get(name))) for name in stages]
    return [
        ("rounds", str(side.finished)),
        ("time", duration(cost.wall_s)),
        *spent,
        ("time a pair", _seconds(cost.s_per_pair)),
        ("time a promotion", _seconds(cost.s_per_promotion)),
        ("tokens written", f"{cost.tokens:,}"),
        ("executions", f"{cost.executions:,}"),
        ("peak memory", _NONE if cost.peak_bytes is None else size(cost.peak_bytes)),
    ]


def _seconds(value: float | None) -> str:
    return _NONE if value is None else duration(value)


def _two_columns(a: list[tuple[str, str]], b: list[tuple[str, str]]) -> Table:
    table = _table("", "A", "B")
    for (title, own), (_, other) in zip(a, b, strict=True):
        table.add_row(title, own, other)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _heading(text: str) -> Iterator[Text]:
    yield Text()
    yield Text(text, style="bold")


def _leader(side: RunSide) -> str:
    return f"the adapter of round {side.champion}" if side.champion else "the base model"


def _count(number: int, one: str) -> str:
    return f"{number} {one if number == 1 else one + 's'}"
