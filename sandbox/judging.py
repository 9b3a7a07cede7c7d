"""The judge, seen from the host: one jail, one session in it, and the matrix whose tests that session has read."""

from __future__ import annotations

import socket

from . import jail
from .cells import Matrix, Raw, Row
from .harness import wire
from .harness.judge import GRACE_S
from .verdicts import Limits

RESULT_BYTES = 1 << 16
MATRICES = 500
"""Matrices that one session reads before another takes its place."""
SEND_S = 60.0


class JudgeDied(Exception):  # noqa: N818 (an ending, not an error)
    """The judge's session ended while it compiled the tests, and its jail is well: a test broke it."""


class SessionBroke(JudgeDied):
    """A test that ran in the judge's session ended or stopped it; the matrix's tests get processes of their own now."""


class Judge:
    """A jail that runs tests and never sees a code; used by one thread."""

    def __init__(self, level: str, limits: Limits, private_uid: int) -> None:
        """Start its jail.

        Raises:
            JailDied: It does not start; the message says why.
        """
        self.level, self.limits, self.private_uid = level, limits, private_uid
        self.jail = jail.Jail(level, "judge", limits, private_uid)
        self.session: socket.socket | None = None
        self.number = 0
        self.matrices = 0
        self.matrix: Matrix | None = None
        self.compiled = False
        """The session has said something since it was sent the tests, so that it must have compiled them."""
        self.broken: Matrix | None = None
        """A matrix with a test that breaks the session: its tests run in processes of their own."""

    def close(self) -> None:
        """End the jail and everything in it."""
        if self.session is not None:
            self.session.close()
            self.session = None
        self.matrix = None
        self.jail.close()

    def restart(self) -> None:
        """Replace the jail.

        Raises:
            SandboxError: The host cannot start one any more.
        """
        self.close()
        self.jail = jail.start(self.level, "judge", self.limits, self.private_uid)

    def read(self, matrix: Matrix) -> None:
        """Give the session the tests of this matrix, unless it has them.

        Raises:
            JudgeDied: The session ended.
        """
        if self.matrix is matrix and self.session is not None:
            return
        if self.matrices >= MATRICES:
            self._end()
        session = self.session or self._start()
        self.matrix, self.matrices = None, self.matrices + 1
        session.settimeout(SEND_S)
        try:
            wire.send(
                session,
                {
                    "tests": [t if len(t) <= self.limits.source_bytes else "" for t in matrix.tests],
                    "entry_point": matrix.entry_point,
                    "seed": matrix.seed,
                    "value_bytes": self.limits.value_bytes,
                },
            )
        except wire.Closed as error:
            self._end()
            raise JudgeDied(str(error)) from error
        self.matrix, self.compiled = matrix, False

    def row(self, cells: list[int], end: socket.socket, wall_s: float, cpu_s: int) -> Row:
        """Have the cells of one row judged, the code being at the other end of `end`, which is closed here.

        Raises:
            JudgeDied: A test broke the session before it had read them all.
            SessionBroke: A test broke it while it ran there.
            JailDied: The session ended otherwise.
        """
        if self.session is None:
            raise jail.JailDied("the judge has no session")
        row, session = Row(), self.session
        session.settimeout(wall_s + 3 * GRACE_S)
        request = {"row": cells, "in_session": self.broken is not self.matrix, "limits": [wall_s, cpu_s]}
        try:
            wire.send(session, request, end.fileno())
            end.close()
            while True:
                message = self.inbox.receive(RESULT_BYTES)
                self.compiled = True
                if "row" in message:
                    row.ending, row.detail, row.wall_s = message["row"], message["detail"], message["wall_s"]
                    return row
                if "compiled" not in message:
                    row.cells[message["cell"]] = Raw(
                        message["status"],
                        message["detail"],
                        message["wall_s"],
                        message["cpu_s"],
                        message["code_cpu_s"],
                        message["rss"],
                        ended=message.get("code"),
                    )
        except (OSError, wire.Closed, wire.WireError) as error:
            if request["in_session"]:
                self.broken = self.matrix
                self._end()
                raise SessionBroke(str(error)) from error
            if not self.compiled:
                self._end()
                raise JudgeDied(str(error)) from error
            raise jail.JailDied(f"the judge's session ended: {error}") from error

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self.number = self.jail.spawn(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        self.session, self.inbox, self.matrices = ours, wire.Inbox(ours), 0
        return ours

    def _end(self) -> None:
        self.matrix = None
        if self.session is not None:
            self.session.close()
            self.session = None
            self.jail.end(self.number)
