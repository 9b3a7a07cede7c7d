"""What the screen shows: a pure function of a snapshot, and the thread that draws it.

`render` fits what it is given: it drops columns on a narrow screen and lines on a low one, and uses plain ASCII where
the terminal has nothing better. Without a terminal `Dashboard` does nothing; the log tells the same story.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from selfplay.rounds_table import clean, duration, one_line, percent, printable, rounds_table
from selfplay.small_pictures import matrix_lines, sparkline
from selfplay.snapshot import JudgedProblem, Snapshot, StageLine

_GIB = 1024**3
_MATRIX_FROM = 80
"""Narrowest screen with a pass matrix beside the stages."""
_CURVE_WIDTH = 12
_ONE = {"matrices": "matrix"}
"""Units whose singular is not the plural without an s."""


def render(snapshot: Snapshot) -> RenderableType:
    """Return the picture of a snapshot; its size and characters are chosen when it is printed."""
    return _Picture(snapshot)


@dataclass(frozen=True, slots=True)
class _Picture:
    snapshot: Snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit, the most useful ones first to stay."""
        yield from printable(Group(*self._lines(options.max_width, options.max_height - 1)), console, options)

    def _lines(self, width: int, height: int) -> Iterator[RenderableType]:
        snapshot = self.snapshot
        head = _header(snapshot, width)
        beside = width >= _MATRIX_FROM and snapshot.judged is not None
        matrix_width = 24 if width >= 96 else 16
        inner = width - matrix_width - 2 if beside else width
        stages = [_stage(stage, max(6, min(24, inner - 62)), inner) for stage in snapshot.stages]
        facts = [
            line for line in (_champion(snapshot, width), _pairs(snapshot, width), _machine(snapshot)) if line.plain
        ]
        message = [one_line(snapshot.message, "bold yellow")] if snapshot.message else []
        if height < len(head) + len(stages) + len(facts) + len(message) + 3:  # truth of pairs is in the table as well
            facts = [line for line in facts if not line.plain.startswith(("pairs ", "judged "))]
        facts = facts[: max(0, height - len(head) - len(message) - 1)]
        room = height - len(head) - len(facts) - len(message)
        if room < len(stages):
            stages = _busy(stages, snapshot.stages)[: max(room, 1)]
        room -= len(stages)
        log = [one_line(text, "dim") for text in snapshot.log]
        table = rounds_table(snapshot.overviews, width, last=room - 2 - min(len(log) + 1, max(room // 3, 2)))
        yield from head
        if beside and snapshot.judged is not None and len(stages) >= 3:
            yield _side_by_side(stages, _matrix(snapshot.judged, matrix_width, len(stages)), matrix_width)
        else:
            yield from stages
        if table.row_count:
            room -= table.row_count + 2
            yield Rule(style="dim")
            yield table
        yield from facts
        if log and room >= 2:
            yield Rule(style="dim")
            whole = _wrapped(snapshot.log, width)
            yield from whole if len(whole) < room else log[-(room - 1) :]
        yield from message


def _header(snapshot: Snapshot, width: int) -> list[RenderableType]:
    of = f" of {snapshot.rounds}" if snapshot.rounds is not None else ""
    right = Text.assemble((f"round {snapshot.round_number}{of}", "bold cyan"), f"  {duration(snapshot.elapsed_s)}")
    if snapshot.left_s is not None and width >= 60:
        right.append(f", {duration(snapshot.left_s, rough=True)} left", style="bold")
    left = one_line(snapshot.run, "bold")
    for fact in (snapshot.model, snapshot.preset, f"sandbox {snapshot.sandbox_level}"):
        if left.cell_len + len(fact) + right.cell_len + 4 <= width:
            left.append(f"  {clean(fact)}", style="not bold")
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, right)
    lines: list[RenderableType] = [line]
    if snapshot.sandbox_level == "none":
        lines.append(one_line("no sandbox: model output runs with this user's rights", "bold red"))
    return lines


def _stage(stage: StageLine, bar_width: int, width: int) -> Text:
    mark, style = {"done": ("✓", "green"), "running": ("▶", "bold cyan")}.get(stage.state, ("·", "dim"))
    line = one_line()
    line.append(f"{mark} {stage.name:<10}", style=style)
    if stage.state == "done":
        line.append(f" {_counted(stage.total, stage.unit)}" if stage.total else " done")
        if stage.wall_s is not None:
            line.append(f"  in {duration(stage.wall_s)}", style="dim")
        if stage.rate:
            line.append(f"  {stage.rate}", style="dim")
    elif stage.state == "running":
        _running(line, stage, bar_width)
    elif stage.done:
        line.append(f" {_counted(stage.done, stage.unit)} so far", style="dim")
    if stage.losses:
        curve = sparkline(stage.losses, _CURVE_WIDTH) if len(stage.losses) > 1 else ""
        loss = f"  loss {stage.losses[-1]:.3f}"
        fitting = (text.rstrip() for text in (f"{loss} {curve}", loss) if line.cell_len + len(text) <= width)
        line.append(next(fitting, ""))
    return line


def _running(line: Text, stage: StageLine, bar_width: int) -> None:
    if stage.total > 0:
        filled = min(bar_width, bar_width * stage.done // stage.total)
        line.append(f" {'█' * filled}", style="cyan")
        line.append("░" * (bar_width - filled), style="dim")
        line.append(f" {stage.done}/{_counted(stage.total, stage.unit)}")
    else:
        line.append(f" {_counted(stage.done, stage.unit)}" if stage.done else " working")
    if stage.rate:
        line.append(f"  {stage.rate}")
    if stage.left_s is not None:
        line.append(f"  {duration(stage.left_s, rough=True)} left", style="bold")
    elif stage.wall_s is not None:
        line.append(f"  {duration(stage.wall_s)}", style="dim")


def _counted(number: int, unit: str) -> str:
    return f"{number} {_ONE.get(unit, unit.removesuffix('s')) if number == 1 else unit}"


def _side_by_side(stages: Sequence[Text], matrix: Sequence[Text], matrix_width: int) -> Table:
    grid = Table.grid(expand=True, padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    grid.add_column(no_wrap=True, width=matrix_width)
    blank = [Text()] * (len(stages) - len(matrix))
    for line, row in zip(stages, [*matrix, *blank], strict=True):
        grid.add_row(line, row)
    return grid


def _matrix(judged: JudgedProblem, width: int, height: int) -> list[Text]:
    """Return the pass matrix of the problem that was judged last, under its name; a line a code."""
    tests = len(judged.passed[0]) if judged.passed else 0
    size = f" {len(judged.passed)}x{tests}"
    name = clean(judged.name)
    name = name if len(name) + len(size) <= width else f"{name[: width - len(size) - 1]}…"
    rows = matrix_lines(judged.passed, width, height - 1)
    return [Text.assemble((name, ""), (size, "dim")), *(Text(row, style="green") for row in rows)]


def _busy(lines: list[Text], stages: Sequence[StageLine]) -> list[Text]:
    """Return the lines of running stages, or of the next one where none runs."""
    running = [line for line, stage in zip(lines, stages, strict=True) if stage.state == "running"]
    pending = [line for line, stage in zip(lines, stages, strict=True) if stage.state == "pending"]
    return running or pending[:1]


def _wrapped(texts: Sequence[str], width: int) -> list[Text]:
    """Return texts in full, in as many lines as it takes."""
    lines = [line for text in texts for line in textwrap.wrap(clean(text), width, subsequent_indent="  ")]
    return [one_line(line, "dim") for line in lines]


def _champion(snapshot: Snapshot, width: int) -> Text:
    """Return who leads, with what, and how it came there: as much of it as fits."""

    def line(*, intervals: bool, tasks: bool, curve: bool) -> Text:
        text = one_line()
        text.append("champion  ", style="dim")
        text.append(clean(snapshot.champion), style="bold")
        for score in snapshot.champion_scores:
            text.append(f"   {clean(score.benchmark)} ")
            text.append(percent(score.passed_frac), style="bold")
            if intervals and score.interval is not None:
                low, high = (100 * end for end in score.interval)
                text.append(f" [{low:.1f}, {high:.1f}]")
            text.append(f" of {score.tasks} tasks" if tasks else "", style="dim")
            text.append(f" ({score.left_out} left out)" if tasks and score.left_out else "", style="dim")
            text.append(" (audit)" if score.role == "audit" else "", style="dim")
        if curve and len(rates) > 1:
            text.append(f"   {sparkline(rates, _CURVE_WIDTH, least_span=0.02)}", style="cyan")
        return text

    rates = champion_rates(snapshot)
    wishes = [(True, True, True), (True, False, True), (True, False, False), (False, False, False)]
    lines = [line(intervals=intervals, tasks=tasks, curve=curve) for intervals, tasks, curve in wishes]
    return next((found for found in lines if found.cell_len <= width), lines[-1])


def champion_rates(snapshot: Snapshot) -> list[float]:
    """Return pass@1 on the first gate benchmark of the champion of each decided round, and of the one that leads now.

    A champion has one rate, on all tasks; a decision about a candidate that was cut short tells another, on fewer.
    """
    reign, reigns, rates = 0, list[int](), dict[int, float]()
    for turn in snapshot.overviews:
        if turn.outcome is None:
            continue
        reigns.append(reign)
        compared = next((each for each in turn.comparisons if each.role == "gate"), None)
        if turn.outcome == "promoted" and compared is not None:  # scored to the end
            rates |= {
                number: rate
                for number, rate in ((reign, compared.champion_frac), (reign + 1, compared.candidate_frac))
                if rate is not None
            }
            reign += 1
    now = next((score for score in snapshot.champion_scores if score.role == "gate"), None)
    if now is not None:
        rates[reign] = now.passed_frac
    return [rates[number] for number in [*reigns, reign] if number in rates]


def _pairs(snapshot: Snapshot, width: int) -> Text:
    """Return how true the pairs of all rounds are, where that is known, and what was judged last on a narrow screen."""
    line = one_line()
    measured = sum(turn.measured or 0 for turn in snapshot.overviews)
    if measured:
        good, inverted = (sum(getattr(turn, name) or 0 for turn in snapshot.overviews) for name in ("good", "inverted"))
        line.append("pairs     ", style="dim")
        line.append(f"{good} of {measured} true", style="bold")
        line.append(f" ({percent(good / measured, 0)}), {inverted} inverted   ")
    judged = snapshot.judged
    if judged is not None and width < _MATRIX_FROM and (cells := "".join(judged.passed)):
        size = f"{len(judged.passed)}x{len(judged.passed[0])}"
        line.append("judged    " if not measured else "judged ", style="dim")
        line.append(f"{clean(judged.name)} {size}, {percent(cells.count('1') / len(cells), 0)} passed")
    return line


def _machine(snapshot: Snapshot) -> Text:
    line = one_line()
    usage = snapshot.usage
    if usage is None:
        return line
    line.append(f"CPU {usage.cpu_cores:.1f}/{usage.cores} cores")
    line.append(f"   memory {usage.memory_bytes / _GIB:.1f}/{usage.total_bytes / _GIB:.1f} GiB")
    if snapshot.peak_bytes is not None:
        line.append(f", peak {snapshot.peak_bytes / _GIB:.1f}")
    if usage.gpu is not None:
        line.append(f"   GPU {usage.gpu.memory_bytes / _GIB:.1f}/{usage.gpu.total_bytes / _GIB:.1f} GiB")
        line.append(f", {percent(usage.gpu.busy_frac, 0)}" if usage.gpu.busy_frac is not None else "")
    return line


class Dashboard:
    """Draws snapshots on a terminal, four times a second, until the block ends; the last picture stays."""

    def __init__(self, console: Console, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot
        self._last: RenderableType = Group()
        self._live = (
            Live(console=console, get_renderable=self._draw, refresh_per_second=4, vertical_overflow="crop")
            if console.is_terminal and not console.is_dumb_terminal
            else None
        )

    def _draw(self) -> RenderableType:
        try:
            self._last = render(self._snapshot())
        except RuntimeError:  # the loop changed a collection while it was being read; the next picture has it
            return self._last
        return self._last

    def __enter__(self) -> Dashboard:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with suppress(OSError):  # the terminal has gone
                self._live.stop()
