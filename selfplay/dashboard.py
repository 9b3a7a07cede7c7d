"""What the screen shows: a pure function of a snapshot, and the thread that draws it.

`render` fits what it is given: it drops columns on a narrow screen and lines on a low one, and uses plain ASCII where
the terminal has nothing better. Without a terminal `Dashboard` does nothing; the log tells the same story.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from selfplay.resources import Usage
from selfplay.rounds_table import clean, duration, percent, rounds_table
from state.overview import RoundOverview
from state.records import Problem, Run

_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLine:
    """One stage of the round under way."""

    name: str
    state: str
    """"pending" | "running" | "done"."""
    done: int = 0
    total: int = 0
    """0 where it is not known."""
    unit: str = ""
    """What is counted: "problems", "steps", "tasks"."""
    rate: str = ""
    """Speed with its unit, such as "142 tokens/s"; empty where there is none."""
    wall_s: float | None = None
    """Spent so far; None for a stage that an earlier start of the run finished."""
    left_s: float | None = None
    """Expected to remain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionScore:
    """The champion on one benchmark."""

    benchmark: str
    passed_frac: float
    """pass@1 in [0, 1]."""
    tasks: int
    left_out: int = 0
    """Tasks that this host cannot score."""
    role: str = "gate"
    """"gate" | "audit"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the dashboard shows, at one moment."""

    run: str
    model: str
    preset: str
    round_number: int
    rounds: int
    elapsed_s: float
    sandbox_level: str
    stages: tuple[StageLine, ...] = ()
    overviews: tuple[RoundOverview, ...] = ()
    champion: str = "base model"
    """Who leads: "base model", or "round 3"."""
    champion_scores: tuple[ChampionScore, ...] = ()
    usage: Usage | None = None
    peak_bytes: int | None = None
    """Largest memory of the tree in this stage."""
    log: tuple[str, ...] = ()
    """The last lines, oldest first."""
    message: str = ""
    """What the user should know now."""


def render(snapshot: Snapshot) -> RenderableType:
    """Return the picture of a snapshot; its size and characters are chosen when it is printed."""
    return _Picture(snapshot)


@dataclass(frozen=True, slots=True)
class _Picture:
    snapshot: Snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines that fit, the most useful ones first to stay."""
        yield from _printable(Group(*self._lines(options.max_width, options.max_height - 1)), console, options)

    def _lines(self, width: int, height: int) -> Iterator[RenderableType]:
        snapshot = self.snapshot
        head = _header(snapshot, width)
        stages = [_stage(stage, max(6, min(24, width - 62))) for stage in snapshot.stages]
        facts = [line for line in (_champion(snapshot, width), _machine(snapshot)) if line.plain]
        message = [_line(snapshot.message, "bold yellow")] if snapshot.message else []
        facts = facts[: max(0, height - len(head) - len(message) - 1)]
        room = height - len(head) - len(facts) - len(message)
        if room < len(stages):
            stages = _busy(stages, snapshot.stages)[: max(room, 1)]
        room -= len(stages)
        log = [_line(text, "dim") for text in snapshot.log]
        table = rounds_table(snapshot.overviews, width, last=room - 2 - min(len(log) + 1, max(room // 3, 2)))
        yield from head
        yield from stages
        if table.row_count:
            room -= table.row_count + 2
            yield Rule(style="dim")
            yield table
        yield from facts
        if log and room >= 2:
            yield Rule(style="dim")
            yield from log[-(room - 1) :]
        yield from message


_ASCII = str.maketrans({"…": ".", "─": "-", "█": "#", "░": "-", "✓": "+", "▶": ">", "·": "."})


def _printable(picture: RenderableType, console: Console, options: ConsoleOptions) -> RenderResult:
    """Yield the picture, in ASCII where the terminal's encoding is not Unicode."""
    if not options.ascii_only:
        yield picture
        return
    for segment in console.render(picture, options):
        text = segment.text.translate(_ASCII).encode("ascii", "replace").decode()
        yield Segment(text, segment.style, segment.control)


def _line(text: str = "", style: str = "") -> Text:
    return Text(clean(text), style=style, overflow="ellipsis", no_wrap=True)


def _header(snapshot: Snapshot, width: int) -> list[RenderableType]:
    right = Text.assemble(
        (f"round {snapshot.round_number} of {snapshot.rounds}", "bold cyan"), f"  {duration(snapshot.elapsed_s)}"
    )
    left = _line(snapshot.run, "bold")
    for fact in (snapshot.model, snapshot.preset, f"sandbox {snapshot.sandbox_level}"):
        if left.cell_len + len(fact) + right.cell_len + 4 <= width:
            left.append(f"  {clean(fact)}", style="not bold")
    line = Table.grid(expand=True)
    line.add_column(no_wrap=True, overflow="ellipsis")
    line.add_column(justify="right", no_wrap=True)
    line.add_row(left, right)
    lines: list[RenderableType] = [line]
    if snapshot.sandbox_level == "none":
        lines.append(_line("no sandbox: model output runs with this user's rights", "bold red"))
    return lines


def _stage(stage: StageLine, bar_width: int) -> Text:
    mark, style = {"done": ("✓", "green"), "running": ("▶", "bold cyan")}.get(stage.state, ("·", "dim"))
    line = _line()
    line.append(f"{mark} {stage.name:<10}", style=style)
    if stage.state == "done":
        line.append(f" {stage.total} {stage.unit}" if stage.total else " done")
        if stage.wall_s is not None:
            line.append(f"  in {duration(stage.wall_s)}", style="dim")
    if stage.state != "running":
        if stage.state == "pending" and stage.done:
            line.append(f" {stage.done} {stage.unit} so far", style="dim")
        return line
    if stage.total > 0:
        filled = min(bar_width, bar_width * stage.done // stage.total)
        line.append(f" {'█' * filled}", style="cyan")
        line.append("░" * (bar_width - filled), style="dim")
        line.append(f" {stage.done}/{stage.total} {stage.unit}")
    else:
        line.append(f" {stage.done} {stage.unit}" if stage.done else " working")
    if stage.rate:
        line.append(f"  {stage.rate}")
    if stage.left_s is not None:
        line.append(f"  {duration(stage.left_s, rough=True)} left", style="bold")
    elif stage.wall_s is not None:
        line.append(f"  {duration(stage.wall_s)}", style="dim")
    return line


def _busy(lines: list[Text], stages: Sequence[StageLine]) -> list[Text]:
    """Return the lines of running stages, or of the next one where none runs."""
    running = [line for line, stage in zip(lines, stages, strict=True) if stage.state == "running"]
    pending = [line for line, stage in zip(lines, stages, strict=True) if stage.state == "pending"]
    return running or pending[:1]


def _champion(snapshot: Snapshot, width: int) -> Text:
    def line(*, tasks: bool) -> Text:
        text = _line()
        text.append("champion  ", style="dim")
        text.append(clean(snapshot.champion), style="bold")
        for score in snapshot.champion_scores:
            text.append(f"   {clean(score.benchmark)} ")
            text.append(percent(score.passed_frac), style="bold")
            text.append(f" of {score.tasks} tasks" if tasks else "", style="dim")
            text.append(f" ({score.left_out} left out)" if tasks and score.left_out else "", style="dim")
            text.append(" (audit)" if score.role == "audit" else "", style="dim")
        return text

    full = line(tasks=True)
    return full if full.cell_len <= width else line(tasks=False)


def _machine(snapshot: Snapshot) -> Text:
    line = _line()
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


DROPPED_SHOWN = 20
"""Most problems that `status` lists as left out."""


def render_status(
    overviews: Sequence[RoundOverview],
    run: Run,
    problems: Sequence[Problem] = (),
    left_out: Mapping[str, tuple[int, int]] | None = None,
) -> RenderableType:
    """Return what `run_loop.py status` prints: the run, its rounds, why each ended as it did, and what was left out.

    Args:
        overviews: The rounds, by number.
        run: The run.
        problems: Its problems; those that were dropped are named.
        left_out: Benchmark -> tasks that its scores are of, and tasks left out of them.
    """
    return _Status(tuple(overviews), run, tuple(problems), left_out or {})


@dataclass(frozen=True, slots=True)
class _Status:
    overviews: tuple[RoundOverview, ...]
    run: Run
    problems: tuple[Problem, ...]
    left_out: Mapping[str, tuple[int, int]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the run, the problems left out, the table, and a reason a round."""
        yield from _printable(Group(*self._lines(options.max_width)), console, options)

    def _lines(self, width: int) -> Iterator[RenderableType]:
        run, overviews = self.run, self.overviews
        yield Text.assemble(
            (clean(run.name), "bold"), f"  {clean(run.model)}  begun {_when(run.created_at)}  {clean(run.code_version)}"
        )
        yield from self._dropped()
        if not overviews:
            yield Text("no round has begun")
            return
        yield rounds_table(overviews, width)
        for turn in overviews:
            if turn.reason:
                yield Text(f"round {turn.number}: {clean(turn.reason)}")
        for name, (tasks, missing) in sorted(self.left_out.items()):
            rest = f" ({missing} left out: the right program fails here)" if missing else ""
            yield Text(f"{clean(name)}: {tasks} tasks{rest}")
        promoted = [turn.number for turn in overviews if turn.outcome == "promoted"]
        leader = f"the adapter of round {promoted[-1]}" if promoted else "the base model"
        finished = sum(turn.outcome is not None for turn in overviews)
        yield Text(
            f"{finished} of {len(overviews)} rounds finished, {len(promoted)} promoted, "
            f"{duration(sum(turn.wall_s for turn in overviews))} of work"
        )
        yield Text.assemble("champion: ", (leader, "bold"))

    def _dropped(self) -> Iterator[RenderableType]:
        """Yield how many problems are left out, which, and why."""
        dropped = [problem for problem in self.problems if problem.dropped is not None]
        if not dropped:
            return
        yield Text(f"{len(dropped)} of {len(self.problems)} problems are left out:")
        for problem in dropped[:DROPPED_SHOWN]:
            name = problem.entry_point or f"{problem.prompt[:30]}..."
            yield _line(f"  {name}  {problem.dropped}")
        if len(dropped) > DROPPED_SHOWN:
            yield Text(f"  and {len(dropped) - DROPPED_SHOWN} more, in the table problems")


def _when(moment: str) -> str:
    """Return an ISO 8601 moment in UTC to the minute."""
    return f"{clean(moment[:16]).replace('T', ' ')} UTC"


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
