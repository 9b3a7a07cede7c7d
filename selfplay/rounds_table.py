"""A run's rounds as a table, one row a round and gate benchmark, for the dashboard and `status`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from state.overview import Comparison, RoundOverview

_STYLE = {"promoted": "bold green", "abandoned": "red", "kept": ""}
_NONE = "-"
_COLUMNS = (
    ("round", "right", 0),
    ("decision", "left", 0),
    ("pairs", "right", 0),
    ("true pairs", "right", 76),
    ("loss", "right", 80),
    ("benchmark", "left", 96),
    ("champion", "right", 48),
    ("candidate", "right", 0),
    ("change (95%)", "left", 56),
    ("codes", "right", 128),
    ("tests", "right", 128),
    ("executions", "right", 128),
    ("time", "right", 104),
)
"""Heading, side, narrowest screen that shows it."""


def clean(text: str) -> str:
    """Return text on one line, without characters that would move the cursor."""
    return "".join(character if character.isprintable() else " " for character in text)


def one_line(text: str = "", style: str = "") -> Text:
    """Return one line that is cut where the screen ends."""
    return Text(clean(text), style=style, overflow="ellipsis", no_wrap=True)


_ASCII = str.maketrans(
    {"…": ".", "─": "-", "█": "#", "░": "-", "✓": "+", "▶": ">", "·": ".", "→": ">"}
    | dict(zip("▁▂▃▄▅▆▇", "_.,-=+*", strict=True))
)


def printable(picture: RenderableType, console: Console, options: ConsoleOptions) -> RenderResult:
    """Yield the picture, in ASCII where the terminal's encoding is not Unicode."""
    if not options.ascii_only:
        yield picture
        return
    for segment in console.render(picture, options):
        text = segment.text.translate(_ASCII).encode("ascii", "replace").decode()
        yield Segment(text, segment.style, segment.control)


def duration(seconds: float, *, rough: bool = False) -> str:
    """Return a duration in the two largest units that matter; `rough` leaves out what an estimate cannot know."""
    if rough and seconds < 3570:
        return f"{max(1, round(seconds))} s" if seconds < 59.5 else f"{round(seconds / 60)} min"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02} min"
    return f"{whole // 86400} d {whole // 3600 % 24} h"


def percent(fraction: float, digits: int = 1) -> str:
    """Return a share of 1 as a percentage."""
    return f"{100 * fraction:.{digits}f}%"


def rounds_table(overviews: Sequence[RoundOverview], width: int, *, last: int | None = None) -> Table:
    """Return the rounds as a table that fits.

    Args:
        overviews: The rounds, by number.
        width: Screen width, characters; columns that do not fit are left out.
        last: Most rows, whole rounds from the end; None is all.
    """
    several = len({each.benchmark for turn in overviews for each in turn.comparisons if each.role == "gate"}) > 1
    instead = {"true pairs": 96, "loss": 96, "benchmark": 76} if several else {}
    shown = [column for column in _COLUMNS if instead.get(column[0], column[2]) <= width]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    for heading, side, _ in shown:
        table.add_column(heading, justify="left" if side == "left" else "right", no_wrap=True, overflow="ellipsis")
    kept: list[dict[str, Text]] = []
    for turn in reversed(overviews):
        rows = list(_rows(turn))
        if last is not None and len(kept) + len(rows) > last:
            break
        kept = rows + kept
    for row in kept:
        table.add_row(*(row[heading] for heading, _, _ in shown))
    return table


def _rows(turn: RoundOverview) -> Iterator[dict[str, Text]]:
    decision = turn.outcome or "open"
    first = {
        "round": Text(str(turn.number)),
        "decision": Text(decision, style=_STYLE.get(decision, "cyan")),
        "pairs": Text(f"{turn.pairs} of {turn.judged}" if turn.selected else _NONE),
        "true pairs": Text(f"{turn.good} of {turn.measured}" if turn.measured else _NONE),
        "loss": Text(f"{turn.loss:.3f}" if turn.loss is not None else _NONE),
        "codes": Text(str(turn.codes)),
        "tests": Text(str(turn.tests)),
        "executions": Text(str(turn.executions)),
        "time": Text(duration(turn.wall_s)),
    }
    gates = [comparison for comparison in turn.comparisons if comparison.role == "gate"]
    yield first | _comparison(gates[0] if gates else None)
    for further in gates[1:]:
        yield dict.fromkeys(first, Text()) | _comparison(further)


def _comparison(found: Comparison | None) -> dict[str, Text]:
    none = {heading: Text(_NONE) for heading in ("benchmark", "champion", "candidate", "change (95%)")}
    if found is None or found.champion_frac is None or found.candidate_frac is None:
        return none
    change = 100 * (found.candidate_frac - found.champion_frac)
    text = f"{change:+.1f}"
    if found.interval is not None:
        text += f" [{100 * found.interval[0]:+.1f}, {100 * found.interval[1]:+.1f}]"
    return {
        "benchmark": Text(clean(found.benchmark)),
        "champion": Text(percent(found.champion_frac)),
        "candidate": Text(percent(found.candidate_frac)),
        "change (95%)": Text(text),
    }
