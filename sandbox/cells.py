"""What is known of the cells of a matrix while they are being judged, and what an ending means."""

from __future__ import annotations

import os
import secrets
import signal
from dataclasses import dataclass, field
from typing import Any

from .verdicts import Limits, Status, Trust, Verdict

NEAR_FRAC = 0.8
"""A process that was killed with more than this part of its memory limit resident is taken to have run out of it."""
STATUSES = frozenset(status.value for status in Status)


@dataclass(frozen=True, slots=True, eq=False)
class Matrix:
    """What all rows of one matrix share."""

    tests: tuple[str, ...]
    entry_point: str
    seed: int
    give_up_after: int | None = None
    """Timeouts after which the rest of a row is taken to time out."""


@dataclass(slots=True)
class Raw:
    """What is known of one cell so far."""

    status: str
    detail: str = ""
    wall_s: float = 0.0
    cpu_s: float = 0.0
    code_cpu_s: float = 0.0
    rss: int = 0
    trust: Trust = "split"
    ended: int | None = None
    """Wait status of the process that ran the code."""
    killed: bool = False
    """Ended by SIGKILL well within its limits: by itself, or by the host, which may have run out of memory."""

    def explain(self, ended: int, report: dict[str, Any], limits: Limits) -> None:
        """Name the status of a code process that ended before it answered."""
        if not os.WIFSIGNALED(ended):
            self.status, self.detail = "crashed", f"the code ended its own process with status {os.WEXITSTATUS(ended)}"
            return
        number = os.WTERMSIG(ended)
        name = signal_name(number)
        out_of_time = max(self.cpu_s, report["cpu_s"]) >= limits.cpu_s - 1
        if number == signal.SIGXCPU or (number == signal.SIGKILL and out_of_time):
            self.status, self.detail = "timeout", f"used {limits.cpu_s} s of CPU time"
        elif max(self.rss, report["peak_rss"]) > NEAR_FRAC * limits.memory_bytes:
            self.status, self.detail = "memory", f"ended by {name} near the memory limit"
        else:
            self.status, self.detail = "crashed", f"the code was ended by {name}"
            self.killed = number == signal.SIGKILL

    def finish(self, report: dict[str, Any], limits: Limits) -> None:
        """Say what the ending of its processes means, once the zygote has reported it."""
        self.rss = min(self.rss, limits.memory_bytes)  # the code side may say anything
        if self.status == "died":
            self.explain(report["status"] if self.ended is None else self.ended, report, limits)
        elif self.status == "timeout" and not self.detail:
            self.detail = f"took longer than {limits.wall_s} s"

    def verdict(self) -> Verdict:
        """Return it as a verdict."""
        return Verdict(
            status=Status(self.status),
            trust=self.trust,
            wall_s=self.wall_s,
            cpu_s=self.cpu_s,
            peak_rss_bytes=self.rss,
            detail=one_line(self.detail),
        )


@dataclass(slots=True)
class Row:
    """What one attempt at some cells of a row came to."""

    cells: dict[int, Raw] = field(default_factory=dict)
    ending: str = ""
    detail: str = ""
    wall_s: float = 0.0
    report: dict[str, Any] = field(default_factory=lambda: {"status": 0, "cpu_s": 0.0, "peak_rss": 0})
    """What the zygote saw of the session; nothing where every cell has told its own part."""

    def finish_broken(self) -> None:
        """Give the last cell, at which the row broke, what the code side used and no other cell accounts for."""
        if self.cells:
            last = list(self.cells.values())[-1]
            before = sum(raw.code_cpu_s for raw in self.cells.values())
            last.cpu_s += max(self.report["cpu_s"] - before, 0.0)
            last.rss = max(last.rss, self.report["peak_rss"])


def signal_name(number: int) -> str:
    """Return the name of a signal, whatever the number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def one_line(text: str) -> str:
    """Return text that can be printed and stored: no line breaks, escapes, marks of direction or half characters."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def is_record(message: object, nonce: str) -> bool:
    """Say whether a message is `[nonce, status, detail]` with this run's nonce."""
    if type(message) is not list or len(message) != 3 or not all(type(part) is str for part in message):
        return False
    return secrets.compare_digest(message[0].encode(), nonce.encode()) and message[1] in STATUSES
