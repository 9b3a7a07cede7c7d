"""Tests that cannot be split, seen from the host: code and test in one process, in a jail started when first needed."""

from __future__ import annotations

import secrets
import socket
import time

from . import jail
from .cells import Raw, is_record
from .harness.attempts import Reader
from .harness.judge import GRACE_S
from .verdicts import Limits


class Unsplit:
    """A jail for code and test together; used by one thread."""

    def __init__(self, level: str, limits: Limits, private_uid: int, libraries: tuple[str, ...]) -> None:
        self.level, self.limits, self.private_uid, self.libraries = level, limits, private_uid, libraries
        self.jail: jail.Jail | None = None

    def close(self) -> None:
        """End the jail and everything in it; the next execution would start another."""
        if self.jail is not None:
            self.jail.close()
            self.jail = None

    def run(self, job: dict[str, object], test: str, wall_s: float) -> Raw:
        """Return what became of one execution.

        Args:
            job: The code and its limits, as the code side reads them.
            test: The test's text.
            wall_s: For code and test together.

        Raises:
            JailDied: The host failed.
            SandboxError: The jail cannot be started.
        """
        if self.jail is None:
            self.jail = jail.start(self.level, "inprocess", self.limits, self.private_uid, self.libraries)
        nonce = secrets.token_hex(16)
        ours, theirs = socket.socketpair()
        started = time.monotonic()
        with ours:
            with theirs:
                number = self.jail.spawn(theirs.fileno())
            jail.hand_over(ours, {**job, "test": test, "nonce": nonce}, wall_s + GRACE_S)
            reader = Reader(ours)
            first = reader.message(started + wall_s)
            second = reader.message(time.monotonic() + GRACE_S) if first is not None else None
            spent_s = time.monotonic() - started
        report = self.jail.end(number)
        raw = Raw("crashed", "", spent_s, report["cpu_s"], report["cpu_s"], report["peak_rss"], "in_process")
        if first is None and not reader.closed:
            raw.status, raw.detail = "timeout", f"took longer than {wall_s} s"
        elif first is None:
            raw.explain(report["status"], report, self.limits)
        elif not is_record(first, nonce) or second is not None:
            raw.status, raw.detail = "tampered", "a record that the harness did not write"
        elif report["status"] != 0:
            raw.status, raw.detail = "tampered", "the process went on after its record"
        else:
            _, raw.status, raw.detail = first  # type: ignore[misc]
        return raw
