"""`run_loop.py watch`: a run seen from another terminal, out of its database alone.

The loop is asked for nothing and notices nothing: the database is opened for reading beside the one process that
writes it. On a terminal this is the loop's own dashboard, without what only the loop knows (its log). Elsewhere, in a
pipe or in CI, it is a line for every stage that ends and every decision, and now and then one that says how far the
stages under way are.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from selfplay.commands import OK, guarded, stored
from selfplay.dashboard import Dashboard, render
from selfplay.resources import Resources
from selfplay.rounds_table import clean, duration, printable
from selfplay.session import run_folder
from selfplay.snapshot import Snapshot, StageLine
from selfplay.tally import Watcher

LOOK_S = 1.0
"""Seconds between two looks at the database."""
TELL_S = 30.0
"""Seconds between two lines about stages under way, where there is no terminal."""


def watch_run(name: str, runs_dir: Path, *, look_s: float = LOOK_S) -> int:
    """Show a run until no process plays it, or until Ctrl-C; a run that nobody plays is shown once."""

    def watch() -> int:
        _watch(name, runs_dir, _Screen(), look_s)
        return OK

    return guarded(watch)


class _Screen(Console):
    """A console whose reader may leave: `watch | head` has seen enough, and nothing failed."""

    def on_broken_pipe(self) -> None:
        """End well; Python's own last flush must not fail either."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(OK)


def owner(folder: Path) -> psutil.Process | None:
    """Return the process that plays the run in a folder, or None; its lock is not touched.

    It is the one that names itself there and has the lock file open: a process that ended holds no file, and one that
    was given its number later does not hold this one. A run that is played on another machine, or by another user whose
    processes one may not look into, is not seen.
    """
    try:
        process = psutil.Process(int((folder / "owner").read_text()))
        lock = (folder / "lock").resolve()
        return process if any(Path(file.path) == lock for file in process.open_files()) else None
    except (OSError, ValueError, psutil.Error):
        return None


def _watch(name: str, runs_dir: Path, console: Console, look_s: float) -> None:
    folder = run_folder(runs_dir, name)
    on_screen = console.is_terminal and not console.is_dumb_terminal
    with stored(name, runs_dir) as store, ExitStack() as stack:
        watcher = Watcher(store)
        process = owner(folder)
        if process is None:
            console.print(render(_idle(watcher.look(time.monotonic(), datetime.now(UTC)))))
            return
        resources = stack.enter_context(Resources(root=process))
        begun = process.create_time()
        latest = watcher.look(time.monotonic(), datetime.now(UTC))
        told = time.monotonic()
        stack.enter_context(Dashboard(console, lambda: latest))
        while True:
            alive = owner(folder) is not None  # before the look, so that the last look sees what was stored last
            before, seen = latest, watcher.look(time.monotonic(), datetime.now(UTC))
            seen = replace(
                seen,
                elapsed_s=max(0.0, time.time() - begun),
                usage=resources.latest if alive else None,
                peak_bytes=resources.peak if alive else None,
            )
            latest = seen if alive else _idle(seen)
            if not on_screen:
                now_and_then = time.monotonic() - told >= TELL_S
                told = time.monotonic() if now_and_then else told
                for line in (*changes(before, seen), *(under_way(seen) if now_and_then else ())):
                    console.print(_Line(f"{datetime.now():%H:%M:%S} {line}"), soft_wrap=True)  # noqa: DTZ005  (the reader's clock)
            if not alive:
                if not on_screen:
                    console.print(render(latest))
                return
            time.sleep(look_s)


def _idle(snapshot: Snapshot) -> Snapshot:
    """Return the picture of a run that nobody plays: nothing is under way."""
    stages = tuple(
        replace(stage, state="pending", rate="", wall_s=None, left_s=None) if stage.state == "running" else stage
        for stage in snapshot.stages
    )
    finished = sum(turn.outcome is not None for turn in snapshot.overviews)
    message = "nobody plays this run now; its command continues it"
    if snapshot.rounds is not None and finished >= snapshot.rounds:
        rounds = f"all {finished} rounds are" if finished > 1 else "the only round is"
        message = f"{rounds} finished; the same command with a larger --rounds plays more"
    return replace(snapshot, stages=stages, left_s=None, message=message)


def changes(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """Yield a line for each stage that ended and each round that was decided between two looks."""
    old = {stage.name: stage for stage in before.stages} if before.round_number == after.round_number else {}
    number = after.round_number
    for stage in after.stages:
        if stage.state == "done" and (stage.name not in old or old[stage.name].state != "done"):
            yield f"round {number}: {stage.name} done{_ended(stage)}"
    decided = {turn.number for turn in before.overviews if turn.outcome is not None}
    for turn in after.overviews:
        if turn.outcome is not None and turn.number not in decided:
            yield f"round {turn.number}: {turn.reason or turn.outcome}"


def _ended(stage: StageLine) -> str:
    parts = [
        f" in {duration(stage.wall_s)}" if stage.wall_s is not None else "",
        f", {stage.rate}" if stage.rate else "",
    ]
    if stage.losses:
        parts.append(f", loss {stage.losses[-1]:.3f}")
    return "".join(parts)


def under_way(snapshot: Snapshot) -> Iterator[str]:
    """Yield a line for each stage under way."""
    for stage in snapshot.stages:
        if stage.state == "running":
            done = f"{stage.done} of {stage.total}" if stage.total else str(stage.done)
            left = f", {duration(stage.left_s, rough=True)} left" if stage.left_s is not None else ""
            rate = f", {stage.rate}" if stage.rate else ""
            yield f"round {snapshot.round_number}: {stage.name} {done} {stage.unit}{rate}{left}"


class _Line:
    """A line that is not wrapped, in ASCII where the reader has nothing better."""

    def __init__(self, text: str) -> None:
        self.text = Text(clean(text))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line."""
        yield from printable(self.text, console, options)
