"""What `run_loop.py status` prints, and a run's command prints at its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.text import Text

from selfplay.rounds_table import clean, duration, one_line, printable, rounds_table
from state.overview import RoundOverview
from state.records import Problem, Run

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
        yield from printable(Group(*self._lines(options.max_width)), console, options)

    def _lines(self, width: int) -> Iterator[RenderableType]:
        run, overviews = self.run, self.overviews
        yield Text.assemble(
            (clean(run.name), "bold"), f"  {clean(run.model)}  begun {when(run.created_at)}  {clean(run.code_version)}"
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
            yield one_line(f"  {name}  {problem.dropped}")
        if len(dropped) > DROPPED_SHOWN:
            yield Text(f"  and {len(dropped) - DROPPED_SHOWN} more, in the table problems")


def when(moment: str) -> str:
    """Return an ISO 8601 moment in UTC to the minute."""
    return f"{clean(moment[:16]).replace('T', ' ')} UTC"
