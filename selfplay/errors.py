"""What can go wrong, and what it means.

    SelfplayError
    ├── UserError        the request cannot be carried out as asked: one line, exit 2, nothing written
    └── HostError        the machine failed: exit 3, everything finished so far is kept
        └── WorkerDied   (worker.py) a model process ended before its answer

A bad candidate (code that crashes, a training that diverges, a reply that does not parse) is a value in a table, not an
exception. The sandbox, which knows nothing of this package, raises its own `SandboxUnavailable` and `SandboxError`.
"""

from __future__ import annotations


class SelfplayError(Exception):
    """Base of everything this package raises on purpose; the message is for people."""


class UserError(SelfplayError):
    """The request cannot be carried out as asked; the message says what, which, and what to do next."""


class HostError(SelfplayError):
    """The machine failed; repeating the same command continues where the run stopped."""
