"""The words of the sandbox: limits, statuses, verdicts, reports and the two exceptions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Trust = Literal["split", "in_process"]

LEVELS = ("bwrap", "uid", "landlock", "none")


class SandboxUnavailable(RuntimeError):  # noqa: N818 (the contract's name)
    """This host cannot give the isolation asked for; the message says why and what would help."""


class SandboxError(RuntimeError):
    """The host failed twice in a row at one execution; there is no verdict, and the candidate is not to blame."""


class Status(StrEnum):
    """What became of one execution. Only `passed` is a pass."""

    PASSED = "passed"
    """The test ran to its end."""
    FAILED = "failed"
    """An assertion was false."""
    EXCEPTION = "exception"
    """The code or the test raised something else."""
    SYNTAX_ERROR = "syntax_error"
    """The code or the test does not compile."""
    TIMEOUT = "timeout"
    """Wall or CPU time ran out."""
    MEMORY = "memory"
    """The memory limit was hit."""
    OUTPUT = "output"
    """More was printed or returned than the limit allows."""
    CRASHED = "crashed"
    """The process ended before the test did: a signal, `os._exit`, a broken interpreter."""
    TAMPERED = "tampered"
    """The code reached for the verdict."""
    REFUSED = "refused"
    """The text was not run: too large, or not encodable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one execution may use."""

    wall_s: float = 3.0
    """Seconds of wall time for loading the code, and again for each test."""
    cpu_s: int = 10
    """Whole seconds of CPU time of one process (a kernel limit)."""
    memory_bytes: int = 512 * 2**20
    """Address space of one process."""
    output_bytes: int = 1 * 2**20
    """Bytes the code may print while one test runs."""
    value_bytes: int = 8 * 2**20
    """Bytes of one value that crosses between code and test."""
    source_bytes: int = 1 * 2**20
    """Bytes of one code or test."""
    threads: int = 64
    """Threads one execution may have."""

    def __post_init__(self) -> None:
        """Refuse limits that cannot be enforced."""
        if self.wall_s <= 0 or self.cpu_s < 1 or self.threads < 0:
            raise ValueError("limits: wall_s must be > 0, cpu_s >= 1, threads >= 0")
        if self.memory_bytes < 64 * 2**20:
            raise ValueError("limits: memory_bytes must be at least 64 MiB, or the interpreter does not start")
        if min(self.output_bytes, self.value_bytes, self.source_bytes) < 1024:
            raise ValueError("limits: output_bytes, value_bytes and source_bytes must be at least 1024")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one code against one test."""

    status: Status
    trust: Trust
    """`split`: said by a process that never saw the code. `in_process`: said by the process that ran it."""
    wall_s: float
    """Seconds of wall time of the test (of loading the code, where loading failed)."""
    cpu_s: float
    """Seconds of CPU time of the processes that ran it."""
    peak_rss_bytes: int
    """Largest resident set of any process that ran it."""
    detail: str = ""
    """One line for people: the exception, the signal, the reason. Of a pass that is `split`: what the test left in
    `NOTE`, at most 32,000 characters."""

    @property
    def passed(self) -> bool:
        """True for a pass."""
        return self.status is Status.PASSED


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One level of isolation on this host."""

    level: str
    works: bool
    why: str
    """What was seen."""
    help: str = ""
    """What would make it work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What this host can do, from the strongest rung to the weakest."""

    rungs: tuple[Rung, ...]

    @property
    def best(self) -> str | None:
        """The strongest rung that works, `none` not counted."""
        return next((rung.level for rung in self.rungs if rung.works and rung.level != "none"), None)

    def rung(self, level: str) -> Rung:
        """The rung of that name."""
        return next(rung for rung in self.rungs if rung.level == level)
