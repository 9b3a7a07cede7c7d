"""One worker: the jails that turn one code and its tests into verdicts, and what is done when one of them does not.

The code jail runs the candidate; the judge jail runs the tests. The host hands each the end of a socket and what it is
to run, and reads results from the judge only. Nothing that the code side says can become a pass.
"""

from __future__ import annotations

import logging
import math
import re
import socket
from typing import Any

from . import jail
from .cells import Matrix, Raw, Row
from .harness.judge import GRACE_S
from .judging import Judge, JudgeDied, SessionBroke
from .unsplit import Unsplit
from .verdicts import Limits, SandboxError, Verdict

log = logging.getLogger(__name__)

CHUNK = 32
"""Tests that one process of the code serves, itself or by forks."""
BUSY_FRAC = 0.6
"""A timeout that used less CPU than this part of its wall time is tried once more: the host may be busy."""
STARVED_FRAC = 0.05
"""One that used more than this part wanted to compute and was not let: it is given `PATIENCE` times as long."""
PATIENCE = 8.0
JAILS = 4
"""Most jails of one worker, each with a user id of its own at level "uid"."""


class Worker:
    """A code jail and a judge jail, used by one thread; others for libraries and for tests that cannot be split."""

    def __init__(self, level: str, limits: Limits, private_uid: int, libraries: tuple[str, ...] = ()) -> None:
        """Start the jails that every execution needs.

        Args:
            level: A level of isolation.
            limits: What one execution may use.
            private_uid: First of the `JAILS` user ids that are its own at level "uid".
            libraries: Packages that code and tests may import, beyond the standard library.

        Raises:
            JailDied: One does not start; the message says why.
        """
        self.level, self.limits, self.private_uid, self.libraries = level, limits, private_uid, libraries
        self.reruns = 0
        """Executions that were given more time because the host may have been busy."""
        self.executions = 0
        """Cells that came to an end, one way or another; for whoever wants to know that it gets on."""
        self.imports = re.compile(
            rf"^[ \t]*(?:from|import)\b[^\n#]*\b(?:{'|'.join(map(re.escape, libraries))})\b", re.M
        )
        self.code = jail.Jail(level, "code", limits, private_uid)
        try:
            self.judge = Judge(level, limits, private_uid + 1)
        except BaseException:
            self.code.close()
            raise
        self.unsplit = Unsplit(level, limits, private_uid + 2, libraries)
        self.equipped: jail.Jail | None = None
        """Runs codes that import a library; started when first needed."""

    def close(self) -> None:
        """End the jails and everything in them."""
        for each in (self.code, self.judge, self.unsplit, self.equipped):
            if each is not None:
                each.close()
        self.equipped = None

    def end_jails(self) -> None:
        """End the jails from another thread; the one that uses them starts new ones and tries again, once.

        Each is its own process's parent and is gone at once; what runs inside goes with it.
        """
        for each in (self.code, self.judge.jail, self.unsplit.jail, self.equipped):
            if each is not None:
                each.process.kill()

    def restart(self) -> None:
        """Replace the jails.

        Raises:
            SandboxError: The host cannot start them any more.
        """
        self.close()
        self.code = jail.start(self.level, "code", self.limits, self.private_uid)
        self.judge.restart()

    # --- a row ---------------------------------------------------------------------------------------------------

    def row(self, code: str, matrix: Matrix) -> list[Verdict]:
        """Return the verdict of one code against each test of the matrix.

        Raises:
            SandboxError: The host failed twice at the same cells.
        """
        found: dict[int, Raw] = {}
        fitting = [
            k for k, test in enumerate(matrix.tests) if len(test.encode("utf-8", "replace")) <= self.limits.source_bytes
        ]
        for k in set(range(len(matrix.tests))) - set(fitting):
            found[k] = Raw("refused", f"the test is longer than {self.limits.source_bytes} bytes")
        if len(code.encode("utf-8", "replace")) > self.limits.source_bytes:
            refused = Raw("refused", f"the code is longer than {self.limits.source_bytes} bytes")
            return [refused.verdict() for _ in matrix.tests]
        if self.libraries:
            for k in [k for k in fitting if self.imports.search(matrix.tests[k])]:
                found[k] = self._in_process(code, matrix, k, "the test imports a library")
        remaining = [k for k in fitting if k not in found]
        while remaining:
            for k, raw in self._some(code, matrix, remaining).items():
                found[k] = self._settle(code, matrix, k, raw)
            remaining = [k for k in remaining if k not in found]
            timeouts = sum(raw.status == "timeout" for raw in found.values())
            if matrix.give_up_after is not None and timeouts >= matrix.give_up_after:
                found |= {k: Raw("timeout", f"not run: {timeouts} tests before it timed out") for k in remaining}
                remaining = []
        return [found[k].verdict() for k in range(len(matrix.tests))]

    def _some(self, code: str, matrix: Matrix, cells: list[int]) -> dict[int, Raw]:
        """Return what became of at least the first of the cells."""
        chunk = cells[:CHUNK]
        row = self._twice(code, matrix, chunk)
        if row.ending == "alone":
            chunk = cells[:1]
            row = self._twice(code, matrix, chunk)
        if row.ending == "timeout" and (patience := self._patience(row.report["cpu_s"], self.limits.wall_s)):
            self.reruns += 1
            row = self._twice(code, matrix, chunk, patience)
        raw = self._unanswered(row)
        if raw is not None and raw.killed:
            row = self._twice(code, matrix, chunk)
            raw = self._unanswered(row)
        return row.cells if raw is None else dict.fromkeys(cells, raw)

    def _unanswered(self, row: Row) -> Raw | None:
        """Return what became of a code that ended before its first cell; None where there are cells."""
        if row.ending in ("finished", "broken"):
            return None
        raw = Raw(row.ending, row.detail, row.wall_s, row.report["cpu_s"], row.report["cpu_s"], row.report["peak_rss"])
        if raw.status == "died":
            raw.explain(row.report["status"], row.report, self.limits)
        elif raw.status == "timeout":
            raw.detail = f"loading the code took longer than {self.limits.wall_s} s"
        return raw

    def _settle(self, code: str, matrix: Matrix, cell: int, raw: Raw) -> Raw:
        """Return the final word on a cell: run again, or in one process, where that is called for."""
        if raw.killed:  # perhaps by the host; a code that ends itself in this way does it again
            raw = self._twice(code, matrix, [cell]).cells.get(cell, raw)
        if raw.status == "unsplittable":
            return self._in_process(code, matrix, cell, raw.detail)
        if raw.status == "timeout" and (patience := self._patience(raw.cpu_s, raw.wall_s)):
            self.reruns += 1
            again = self._twice(code, matrix, [cell], patience).cells.get(cell)
            if again is None:
                return raw
            if again.status == "unsplittable":
                return self._in_process(code, matrix, cell, again.detail)
            return self._in_time(again)
        return raw

    def _patience(self, cpu_s: float, wall_s: float) -> float:
        """Return how many times its wall time an execution that ran out of it is given now; 0 where that was final."""
        if wall_s < self.limits.wall_s or cpu_s >= BUSY_FRAC * self.limits.wall_s:
            return 0.0
        return PATIENCE if cpu_s > STARVED_FRAC * self.limits.wall_s else 1.0

    def _in_time(self, raw: Raw) -> Raw:
        """Return the outcome of a patient run; a timeout if even its CPU time was more than the wall time allowed."""
        if raw.cpu_s > self.limits.wall_s:
            raw.status, raw.detail = "timeout", f"used more than {self.limits.wall_s} s of CPU time"
        return raw

    def _twice(self, code: str, matrix: Matrix, cells: list[int], patience: float = 1.0) -> Row:
        """Make one attempt, and a second in new jails if the host failed."""
        try:
            return self._attempt(code, matrix, cells, patience)
        except SessionBroke:
            return self._twice(code, matrix, cells, patience)
        except JudgeDied:
            if len(matrix.tests) > 1:
                return self._apart(code, matrix, cells)
        except (jail.JailDied, OSError) as error:
            log.warning("sandbox worker failed (%s); starting it again", error)
        self.restart()
        try:
            return self._attempt(code, matrix, cells, patience)
        except JudgeDied:
            if len(matrix.tests) > 1:
                return self._apart(code, matrix, cells)
            return Row({cells[0]: Raw("crashed", "the test broke the judge before it ran")}, "finished")
        except (jail.JailDied, OSError) as error:
            raise SandboxError(f"the sandbox failed twice at one execution: {error}") from error

    def _apart(self, code: str, matrix: Matrix, cells: list[int]) -> Row:
        """Judge each cell in a matrix of its own, because one of the tests breaks the judge that reads them all."""
        row = Row(ending="finished")
        for cell in cells:
            alone = Matrix((matrix.tests[cell],), matrix.entry_point, matrix.seed)
            part = self._twice(code, alone, [0])
            row.cells[cell] = part.cells.get(0) or Raw(part.ending, part.detail, part.wall_s)
        return row

    def _attempt(self, code: str, matrix: Matrix, cells: list[int], patience: float) -> Row:
        self.judge.read(matrix)
        room, count, tight = self._room(code), len(cells), patience > 1.0
        wall_s, cpu_s = self.limits.wall_s * patience, self.limits.cpu_s
        if tight:  # it may wait for the host as long as that takes, and compute no longer than on an idle one
            cpu_s = min(cpu_s, math.ceil(self.limits.wall_s))
        code_end, judge_end = socket.socketpair()
        with judge_end:
            with code_end:
                may_fork = count > 1 and self.level == "bwrap"  # where nothing that it leaves can hide
                number = room.spawn(code_end.fileno(), forks=count if may_fork else 0, tests=count)
            told = {"cells": cells, "cpu_s": cpu_s, "tight": tight, "may_fork": may_fork}
            jail.hand_over(judge_end, self._job(code, matrix) | told, wall_s + GRACE_S)
            try:
                row = self.judge.row(cells, judge_end, wall_s, cpu_s)
            except JudgeDied:
                room.end(number)
                raise
        if row.ending == "finished":  # every cell has said what it used
            room.dismiss(number)
        else:
            row.report = room.end(number)
        for raw in row.cells.values():
            raw.finish(row.report, self.limits)
        self.executions += max(1, len(row.cells))
        if row.ending == "broken":
            row.finish_broken()
        return row

    def _room(self, code: str) -> jail.Jail:
        """Return the jail for a code: one with the libraries, if it imports any."""
        if not self.libraries or not self.imports.search(code):
            return self.code
        if self.equipped is None:
            self.equipped = jail.start(self.level, "code", self.limits, self.private_uid + 3, self.libraries)
        return self.equipped

    def _job(self, code: str, matrix: Matrix) -> dict[str, Any]:
        return {
            "code": code,
            "entry_point": matrix.entry_point,
            "seed": matrix.seed,
            "output_bytes": self.limits.output_bytes,
            "value_bytes": self.limits.value_bytes,
        }

    # --- in one process ------------------------------------------------------------------------------------------

    def _in_process(self, code: str, matrix: Matrix, cell: int, reason: str) -> Raw:
        """Run code and test in one process, because the test cannot be split."""
        wall_s = 2 * self.limits.wall_s
        raw = self._once_or_twice(code, matrix, cell, wall_s)
        if raw.killed:
            raw = self._once_or_twice(code, matrix, cell, wall_s)
        if raw.status == "timeout" and (patience := self._patience(raw.cpu_s, raw.wall_s)):
            self.reruns += 1
            raw = self._in_time(self._once_or_twice(code, matrix, cell, wall_s * patience))
        self.executions += 1
        raw.detail = raw.detail or (f"in one process: {reason}" if raw.status == "passed" else "")
        return raw

    def _once_or_twice(self, code: str, matrix: Matrix, cell: int, wall_s: float) -> Raw:
        """Make one attempt, and a second in a new jail if the host failed."""
        job, test = self._job(code, matrix), matrix.tests[cell]
        try:
            return self.unsplit.run(job, test, wall_s)
        except (jail.JailDied, OSError) as error:
            log.warning("sandbox worker failed (%s); starting it again", error)
            self.unsplit.close()
        try:
            return self.unsplit.run(job, test, wall_s)
        except (jail.JailDied, OSError) as error:
            raise SandboxError(f"the sandbox failed twice at one execution: {error}") from error
