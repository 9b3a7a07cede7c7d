"""What can go wrong, and what it means.

    SelfplayError
    ├── UserError        the request cannot be carried out as asked: one line, exit 2, nothing written
    └── HostError        the machine failed: exit 3, everything finished so far is kept
        ├── DiskFailed   a disk is full or broken: nothing could be kept, so the run stops at once
        └── StageFailed  a stage cannot be brought to its end: costs the round, not the run (abandon.py)
            └── WorkerDied   (worker.py) a model process ended, or was ended, before its answer

A bad candidate (code that crashes, a training that diverges, a reply that does not parse) is a value in a table, not an
exception. The sandbox, which knows nothing of this package, raises its own `SandboxUnavailable` and `SandboxError`; the
second costs the round as well. The database, which knows nothing of it either, raises `StoreError`: exit 3, at once.
"""

from __future__ import annotations


class SelfplayError(Exception):
    """Base of everything this package raises on purpose; the message is for people."""


class UserError(SelfplayError):
    """The request cannot be carried out as asked; the message says what, which, and what to do next."""


class HostError(SelfplayError):
    """The machine failed; repeating the same command continues where the run stopped."""


class DiskFailed(HostError):  # noqa: N818
    """A disk refuses to take or to give back what the run needs; the message says which, and what to do."""


class StageFailed(HostError):  # noqa: N818
    """A stage of a round cannot be brought to its end on this machine, however often it is tried."""
