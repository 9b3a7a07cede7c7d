"""When a stage counts as stuck, and the clock that tells.

A model process is watched by the messages that it sends (worker.py), the sandbox by the executions that it finishes.
What is stuck is ended, reported, and started again; what stays stuck costs its round (abandon.py).

Not covered: the select and gate stages, which run nothing but a few seconds of this process's own arithmetic.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import Future, wait
from typing import Protocol, TypeVar

from pydantic import Field

from selfplay.sections import Section

log = logging.getLogger(__name__)

T = TypeVar("T")
LOOK_S = 1.0
"""Longest time between two looks of a process that is awake."""


class Watchdog(Section):
    """When a model process or the sandbox counts as stuck, and how often it is started again."""

    start_s: float = Field(default=1800.0, gt=0)
    """Longest silence of a model process while it loads its model, or merges an adapter into it."""
    token_s: float = Field(default=600.0, gt=0)
    """Longest time without a token while the model has something to write."""
    step_s: float = Field(default=3600.0, gt=0)
    """Longest time without a training step, or, before the first, without a piece of the reference's scores."""
    execution_s: float = Field(default=3600.0, gt=0)
    """Longest time without a finished execution while the sandbox has some to run."""
    starts: int = Field(default=3, ge=1)
    """Starts of a model process for one piece of work; when all have failed, the round is abandoned."""


class Silence:
    """Counts seconds without news, and only those in which this process was awake to hear any.

    A process that was stopped (SIGSTOP, Ctrl-Z) wakes up to find that hours have passed without a word, from workers
    that were stopped as well. However late a look is, it counts for `LOOK_S` at most.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._looked = time.monotonic()

    def look(self, *, news: bool = False) -> float:
        """Note whether there was news since the last look; return the seconds without."""
        moment = time.monotonic()
        self.seconds = 0.0 if news else self.seconds + min(moment - self._looked, LOOK_S)
        self._looked = moment
        return self.seconds


class Executes(Protocol):
    """Something that runs executions: a sandbox, or several."""

    @property
    def executions(self) -> int:
        """Executions finished so far."""

    def end_jails(self) -> None:
        """End everything that is running; each execution in flight is tried once more, or fails with SandboxError."""


def some_of(pending: set[Future[T]], box: Executes, deadline_s: float) -> set[Future[T]]:
    """Return futures that are done, once there are any; none if `pending` is empty.

    Args:
        pending: Futures whose work is done in `box`.
        box: Its jails are ended whenever it has finished nothing for too long.
        deadline_s: How long that is.
    """
    silence, seen = Silence(), box.executions
    while pending and not (done := wait(pending, timeout=LOOK_S / 2, return_when="FIRST_COMPLETED").done):
        now = box.executions
        if silence.look(news=now != seen) > deadline_s:
            log.warning("the sandbox has finished no execution for %.0f s; starting it again", deadline_s)
            box.end_jails()
            silence = Silence()
        seen = now
    return done if pending else set()
