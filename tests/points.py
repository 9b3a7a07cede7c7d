"""The moments at which a scripted process can be made to kill itself: just before and just after what must be atomic.

`watch` wraps, in the process that calls it, the calls behind every boundary of the product:

    begin, commit    of a database transaction, and `close` of a database
    rename, fsync    os.rename, os.replace, os.fsync
    rmtree           shutil.rmtree
    spawn            the start of a child process: a jail or a model process
    stage            a stage of a round begins or ends

Each passage counts one up for its kind. A `Death` names the one to die at; a record of all passages says how many there
are. Nothing of this is in the product: tests/scripted_loop.py and tests/scripted_trainer.py ask for it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from selfplay.progress import Progress, StageProgress

KINDS = ("begin", "commit", "close", "rename", "fsync", "rmtree", "spawn", "stage")
VARIABLE = "SCRIPTED_POINTS"
"""Holds a `Watch` as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Where a process is to die, once."""

    process: str
    """"loop", or "trainer-N": the trainer of round N."""
    kind: str
    number: int
    """Counts from 1."""
    when: Literal["before", "after"]
    parent: bool = False
    """Take the parent process along: it goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a scripted process is to note, and where it is to die."""

    record: str
    """File that gets a line for each passage."""
    fired: str
    """File that appears when the death has come, and keeps it from coming again."""
    death: Death | None = None

    def to_json(self) -> str:
        """Return it as text."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str) -> Watch:
        """Return what `to_json` was given."""
        values = json.loads(text)
        death = values.pop("death")
        return Watch(**values, death=None if death is None else Death(**death))


class Points:
    """Counts the passages of one process."""

    def __init__(self, watch: Watch, process: str) -> None:
        self.watch, self.process = watch, process
        self.place = "start" if process == "loop" else "train"
        self.passed: Counter[str] = Counter()
        self.record = Path(watch.record).open("a", buffering=1)  # noqa: SIM115 (as long as the process)

    def __call__(self, kind: str, call: Callable[[], Any]) -> Any:
        """Make a call, dying before or after it if this is the one."""
        self.passed[kind] += 1
        self.record.write(f"{self.process}\t{kind}\t{self.passed[kind]}\t{self.place}\n")
        self._die_if(kind, "before")
        found = call()
        self._die_if(kind, "after")
        return found

    def _die_if(self, kind: str, when: str) -> None:
        death = self.watch.death
        if death is None or (death.process, death.kind, death.number, death.when) != (
            self.process, kind, self.passed[kind], when,
        ):  # fmt: skip
            return
        try:
            descriptor = os.open(self.watch.fired, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return
        os.write(descriptor, self.place.encode())
        if death.parent:
            with contextlib.suppress(ProcessLookupError):
                os.kill(os.getppid(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


def watch(asked: Watch, process: str) -> None:
    """Wrap this process's calls; once for good."""
    points = Points(asked, process)

    class Connection(sqlite3.Connection):
        before = -1
        """Changes before the transaction; one that changes nothing is no boundary."""

        def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
            kind = sql.split(None, 1)[0].lower()
            if kind == "begin":
                self.before = self.total_changes
            if kind not in ("begin", "commit") or (kind == "commit" and self.total_changes == self.before):
                return super().execute(sql, *rest)
            found: sqlite3.Cursor = points(kind, lambda: super(Connection, self).execute(sql, *rest))
            return found

        def close(self) -> None:
            points("close", super().close)

    connect = sqlite3.connect

    def connect_watched(*args: Any, **options: Any) -> sqlite3.Connection:
        return connect(*args, **options, factory=Connection)

    sqlite3.connect = connect_watched  # type: ignore[assignment]
    for module, name in ((os, "rename"), (os, "replace"), (os, "fsync"), (shutil, "rmtree"), (subprocess, "Popen")):
        kind = {"replace": "rename", "Popen": "spawn"}.get(name, name)
        _wrap(module, name, kind, points)
    begin, end = Progress.begin, Progress.end

    def begin_watched(self: Progress, stage: str, *rest: Any) -> StageProgress:
        points.place = stage
        found: StageProgress = points("stage", lambda: begin(self, stage, *rest))
        return found

    def end_watched(self: Progress, stage: str, note: str = "") -> None:
        points("stage", lambda: end(self, stage, note))

    Progress.begin, Progress.end = begin_watched, end_watched  # type: ignore[method-assign, assignment]


def _wrap(module: Any, name: str, kind: str, points: Points) -> None:
    call = getattr(module, name)
    if isinstance(call, type):  # a class stays one: others inherit from it and ask for it

        class Watched(call):  # type: ignore[misc, valid-type]
            def __init__(self, *args: Any, **options: Any) -> None:
                points(kind, lambda: super(Watched, self).__init__(*args, **options))

        setattr(module, name, Watched)
        return

    def watched(*args: Any, **options: Any) -> Any:
        return points(kind, lambda: call(*args, **options))

    setattr(module, name, watched)
