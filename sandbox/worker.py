"""One worker: a pair of jails, and the conversation that turns one code and its tests into verdicts.

The code jail runs the candidate; the judge jail runs the tests. The host hands each the end of a socket and what it is
to run, and reads results from the judge only. Nothing that the code side says can become a pass.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import time
from typing import Any

from . import jail
from .cells import Matrix, Raw, Row, is_record
from .harness import wire
from .harness.attempts import Reader
from .harness.judge import GRACE_S
from .verdicts import Limits, SandboxError, Verdict

log = logging.getLogger(__name__)

CHUNK = 32
"""Tests that one process of the code is forked for."""
BUSY_FRAC = 0.6
"""A timeout that used less CPU than this part of its wall time is tried once more alone: the host may be busy."""
RESULT_BYTES = 1 << 16
MATRICES = 500
"""Matrices that one session of the judge reads before another takes its place."""


class JudgeDied(Exception):  # noqa: N818 (an ending, not an error)
    """The judge's session ended while it compiled the tests, and its jail is well: a test broke it."""


class Worker:
    """A code jail and a judge jail, used by one thread; a third for tests that cannot be split, once there is one."""

    def __init__(self, level: str, limits: Limits, private_uid: int) -> None:
        """Start the jails.

        Args:
            level: A level of isolation.
            limits: What one execution may use.
            private_uid: First of the three user ids that are its own at level "uid".

        Raises:
            JailDied: One does not start; the message says why.
        """
        self.level = level
        self.limits = limits
        self.private_uid = private_uid
        self.code = jail.Jail(level, "code", limits, private_uid)
        try:
            self.judge = jail.Jail(level, "judge", limits, private_uid + 1)
        except BaseException:
            self.code.close()
            raise
        self.inprocess: jail.Jail | None = None
        self.matrix: Matrix | None = None
        self.session: socket.socket | None = None
        self.session_number = 0
        self.matrices = 0
        self.compiled = False
        """The judge has said that it has read the tests."""

    def close(self) -> None:
        """End the jails and everything in them."""
        if self.session is not None:
            self.session.close()
            self.session = None
        self.matrix = None
        for each in (self.code, self.judge, self.inprocess):
            if each is not None:
                each.close()
        self.inprocess = None

    def restart(self) -> None:
        """Replace the jails.

        Raises:
            SandboxError: The host cannot start them any more.
        """
        self.close()
        self.code = jail.start(self.level, "code", self.limits, self.private_uid)
        self.judge = jail.start(self.level, "judge", self.limits, self.private_uid + 1)

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
        remaining = fitting
        while remaining:
            for k, raw in self._some(code, matrix, remaining).items():
                found[k] = self._settle(code, matrix, k, raw)
            remaining = [k for k in remaining if k not in found]
        return [found[k].verdict() for k in range(len(matrix.tests))]

    def _some(self, code: str, matrix: Matrix, cells: list[int]) -> dict[int, Raw]:
        """Return what became of at least the first of the cells."""
        chunk = cells[:CHUNK]
        row = self._twice(code, matrix, chunk)
        if row.ending == "alone":
            chunk = cells[:1]
            row = self._twice(code, matrix, chunk)
        if row.ending in ("finished", "broken"):
            return row.cells
        if row.ending == "timeout" and row.report["cpu_s"] < BUSY_FRAC * self.limits.wall_s:
            row = self._twice(code, matrix, chunk)
            if row.ending in ("finished", "broken"):
                return row.cells
        raw = Raw(row.ending, row.detail, row.wall_s, row.report["cpu_s"], row.report["cpu_s"], row.report["peak_rss"])
        if raw.status == "died":
            raw.explain(row.report["status"], row.report, self.limits)
        elif raw.status == "timeout":
            raw.detail = f"loading the code took longer than {self.limits.wall_s} s"
        return dict.fromkeys(cells, raw)

    def _settle(self, code: str, matrix: Matrix, cell: int, raw: Raw) -> Raw:
        """Return the final word on a cell: run again, or in one process, where that is called for."""
        if raw.status == "unsplittable":
            return self._in_process(code, matrix, cell, raw.detail)
        if raw.status == "timeout" and raw.cpu_s < BUSY_FRAC * self.limits.wall_s and raw.wall_s >= self.limits.wall_s:
            again = self._twice(code, matrix, [cell]).cells.get(cell)
            if again is not None:
                return self._in_process(code, matrix, cell, again.detail) if again.status == "unsplittable" else again
        return raw

    def _twice(self, code: str, matrix: Matrix, cells: list[int]) -> Row:
        """Make one attempt, and a second in new jails if the host failed, or a test broke the judge's session."""
        try:
            return self._attempt(code, matrix, cells, in_session=True)
        except JudgeDied:
            if len(matrix.tests) > 1:
                return self._apart(code, matrix, cells)
        except (jail.JailDied, OSError) as error:
            log.warning("sandbox worker failed (%s); starting it again", error)
        self.restart()
        try:
            return self._attempt(code, matrix, cells, in_session=False)
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

    def _attempt(self, code: str, matrix: Matrix, cells: list[int], *, in_session: bool) -> Row:
        session = self._judge_for(matrix)
        code_end, judge_end = socket.socketpair()
        job, job_end = socket.socketpair()
        with job:
            try:
                fds, count = [job_end.fileno(), code_end.fileno()], len(cells)
                may_fork = count > 1 and self.level == "bwrap"  # where nothing that it leaves can hide
                number = self.code.spawn(fds, forks=count if may_fork else 0, tests=count)
                job_end.close()
                code_end.close()
                told = {"cells": count, "cpu_s": self.limits.cpu_s, "may_fork": may_fork}
                self._hand_over(job, self._job(code, matrix) | told)
                row = self._listen(session, cells, judge_end, in_session=in_session)
            except JudgeDied:
                self.code.end(number)
                raise
            finally:
                for end in (code_end, judge_end, job_end):
                    end.close()
        row.report = self.code.end(number)
        for raw in row.cells.values():
            self._finish(raw, row.report)
        if row.ending == "broken":
            row.finish_broken()
        return row

    def _job(self, code: str, matrix: Matrix) -> dict[str, Any]:
        return {
            "code": code,
            "entry_point": matrix.entry_point,
            "seed": matrix.seed,
            "output_bytes": self.limits.output_bytes,
            "value_bytes": self.limits.value_bytes,
        }

    def _hand_over(self, job: socket.socket, message: dict[str, Any]) -> None:
        job.settimeout(self.limits.wall_s + GRACE_S)
        with contextlib.suppress(wire.Closed):
            wire.send(job, message)

    def _listen(self, session: socket.socket, cells: list[int], judge_end: socket.socket, *, in_session: bool) -> Row:
        row = Row()
        session.settimeout((self.limits.wall_s + GRACE_S) * 2 + 10)
        try:
            wire.send(session, {"row": cells, "in_session": in_session}, [judge_end.fileno()])
            judge_end.close()
            while True:
                message = wire.receive(session, RESULT_BYTES)
                if "compiled" in message:
                    self.compiled = True
                    continue
                if "row" in message:
                    row.ending, row.detail, row.wall_s = message["row"], message["detail"], message["wall_s"]
                    return row
                row.cells[message["cell"]] = Raw(
                    message["status"],
                    message["detail"],
                    message["wall_s"],
                    message["cpu_s"],
                    message["code_cpu_s"],
                    message["rss"],
                    ended=message.get("code"),
                )
        except (wire.Closed, wire.WireError) as error:
            if not self.compiled:
                self._end_session()
                raise JudgeDied(str(error)) from error
            raise jail.JailDied(f"the judge's session ended: {error}") from error

    def _judge_for(self, matrix: Matrix) -> socket.socket:
        """Return the socket of a judge that knows the tests of this matrix."""
        if self.matrix is matrix and self.session is not None:
            return self.session
        if self.matrices >= MATRICES:
            self._end_session()
        session = self.session or self._start_session()
        self.matrix, self.matrices = None, self.matrices + 1
        session.settimeout(60.0)
        try:
            wire.send(
                session,
                {
                    "tests": [t if len(t) <= self.limits.source_bytes else "" for t in matrix.tests],
                    "entry_point": matrix.entry_point,
                    "seed": matrix.seed,
                    "wall_s": self.limits.wall_s,
                    "cpu_s": self.limits.cpu_s,
                    "value_bytes": self.limits.value_bytes,
                },
            )
        except wire.Closed as error:
            self._end_session()
            raise JudgeDied(str(error)) from error
        self.matrix, self.compiled = matrix, False
        return session

    def _start_session(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.session_number = self.judge.spawn([theirs.fileno()])
            except BaseException:
                ours.close()
                raise
        self.session, self.matrices = ours, 0
        return ours

    def _end_session(self) -> None:
        self.matrix = None
        if self.session is not None:
            self.session.close()
            self.session = None
            self.judge.end(self.session_number)

    # --- what an ending means ------------------------------------------------------------------------------------

    def _finish(self, raw: Raw, report: dict[str, Any]) -> None:
        if raw.status == "died":
            raw.explain(report["status"] if raw.ended is None else raw.ended, report, self.limits)
        elif raw.status == "timeout" and not raw.detail:
            raw.detail = f"took longer than {self.limits.wall_s} s"

    # --- in one process ------------------------------------------------------------------------------------------

    def _in_process(self, code: str, matrix: Matrix, cell: int, reason: str) -> Raw:
        """Run code and test in one process, because the test cannot be split."""
        for attempt in (1, 2):
            try:
                raw = self._once(code, matrix, cell)
            except (jail.JailDied, OSError) as error:
                if attempt == 2:
                    raise SandboxError(f"the sandbox failed twice at one execution: {error}") from error
                log.warning("sandbox worker failed (%s); starting it again", error)
                self.restart()
                continue
            busy = raw.status == "timeout" and raw.cpu_s < BUSY_FRAC * self.limits.wall_s
            if attempt == 2 or not busy:
                break
        raw.detail = raw.detail or (f"in one process: {reason}" if raw.status == "passed" else "")
        return raw

    def _once(self, code: str, matrix: Matrix, cell: int) -> Raw:
        if self.inprocess is None:
            self.inprocess = jail.start(self.level, "inprocess", self.limits, self.private_uid + 2)
        nonce = secrets.token_hex(16)
        job, job_end = socket.socketpair()
        started = time.monotonic()
        with job:
            with job_end:
                number = self.inprocess.spawn([job_end.fileno()])
            self._hand_over(job, {**self._job(code, matrix), "test": matrix.tests[cell], "nonce": nonce})
            reader = Reader(job)
            deadline = started + 2 * self.limits.wall_s
            first = reader.message(deadline)
            second = reader.message(time.monotonic() + GRACE_S) if first is not None else None
            wall_s = time.monotonic() - started
        report = self.inprocess.end(number)
        raw = Raw("crashed", "", wall_s, report["cpu_s"], report["cpu_s"], report["peak_rss"], "in_process")
        ended = report["status"]
        if first is None and not reader.closed:
            raw.status, raw.detail = "timeout", f"took longer than {2 * self.limits.wall_s} s"
        elif first is None:
            raw.explain(ended, report, self.limits)
        elif not is_record(first, nonce) or second is not None:
            raw.status, raw.detail = "tampered", "a record that the harness did not write"
        elif ended != 0:
            raw.status, raw.detail = "tampered", "the process went on after its record"
        else:
            _, raw.status, raw.detail = first  # type: ignore[misc]
        return raw
