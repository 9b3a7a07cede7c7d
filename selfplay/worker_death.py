"""What the last words of a worker say about its end."""

from __future__ import annotations

import signal
from pathlib import Path

from selfplay.errors import StageFailed

MEMORY_SIGNS = (
    "CUDA out of memory",
    "MemoryError",
    "OutOfMemoryError",
    "can't allocate memory",
    "Cannot allocate memory",
)
DISK_SIGNS = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Input/output error")
TAIL_LINES = 25


class WorkerDied(StageFailed):
    """A model process ended, or had to be ended, before its answer.

    Attributes:
        status: Exit status; negative is the signal that ended it; None if it was ended for silence or garbage.
        log_tail: Last lines of what the process wrote.
        out_of_memory: The host or the device ran out of memory, as far as can be told.
    """

    def __init__(self, module: str, how: str, log: Path, log_tail: str, *, status: int | None = None) -> None:
        self.status = status
        self.log_tail = "\n".join(log_tail.splitlines()[-TAIL_LINES:])
        self.out_of_memory = status == -signal.SIGKILL or any(sign in log_tail for sign in MEMORY_SIGNS)
        memory = " (out of memory)" if self.out_of_memory else ""
        super().__init__(f"worker {module} {how}{memory}; its log {log} ends: {last_line(log_tail)}")


def last_line(text: str) -> str:
    """Return the last line that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "(nothing)"
