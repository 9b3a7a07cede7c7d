"""What the loop is doing now, kept where a display thread can read it.

The loop's thread writes; a display thread reads whole tuples and numbers, never the database.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from selfplay.snapshot import JudgedProblem
from state.records import Stage
from state.store import RoundOverview

log = logging.getLogger(__name__)
STAGES = ("problems", "code", "tests", "judge", "select", "train", "benchmark", "gate")


class StopRequested(Exception):  # noqa: N818  (not an error: somebody pressed Ctrl-C)
    """The user asked to stop; everything finished so far is stored."""


@dataclass(slots=True)
class StageProgress:
    """Counters of one stage of the round under way."""

    name: str
    unit: str = ""
    state: str = "pending"
    """"pending" | "running" | "done"."""
    done: int = 0
    total: int = 0
    tokens: int = 0
    started: float | None = None
    """time.monotonic() at the start."""
    ended: float | None = None
    executions: int = 0
    stored: Stage | None = None
    """Its row, once there is one."""
    losses: dict[int, float] = field(default_factory=dict)
    """Of a training, by step; replaced, never changed, so that another thread may read it."""

    @property
    def wall_s(self) -> float:
        """Seconds from the first to the last (or the present) moment of the stage."""
        if self.started is None:
            return 0.0
        return (self.ended or time.monotonic()) - self.started


@dataclass(slots=True)
class Progress:
    """The loop's counters; `stop` is set by a signal handler."""

    rounds: int = 0
    round_number: int = 0
    started: float = field(default_factory=time.monotonic)
    stages: dict[str, StageProgress] = field(default_factory=dict)
    overviews: tuple[RoundOverview, ...] = ()
    champion: str = "base model"
    champion_scores: tuple[tuple[str, int, int, int], ...] = ()
    """Benchmark, samples passed, samples scored, tasks left out."""
    judged: JudgedProblem | None = None
    """The problem that was judged last."""
    speed: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=20))
    """When, and how many tokens the model had written by then."""
    message: str = ""
    stop: bool = False

    def wrote(self, tokens: int) -> None:
        """Note how many tokens the model has written since it was last asked."""
        if self.speed and tokens < self.speed[-1][1]:
            self.speed.clear()
        self.speed.append((time.monotonic(), tokens))

    @property
    def tokens_per_s(self) -> float | None:
        """The model's speed over the last notes; None where it is not writing."""
        notes = tuple(self.speed)
        if len(notes) < 2 or time.monotonic() - notes[-1][0] > 10:
            return None
        return (notes[-1][1] - notes[0][1]) / max(1e-6, notes[-1][0] - notes[0][0])

    def begin_round(self, number: int) -> None:
        """Reset the stages for a new round."""
        self.round_number = number
        self.stages = {name: StageProgress(name) for name in STAGES}

    def begin(self, stage: str, total: int, unit: str, done: int = 0) -> StageProgress:
        """Mark a stage as running and return its counters."""
        counters = self.stages[stage]
        counters.state, counters.unit, counters.total, counters.done = "running", unit, total, done
        moment = time.monotonic()
        if counters.started is None:
            counters.started = moment
        elif counters.ended is not None:  # the pause does not count
            counters.started += moment - counters.ended
        counters.ended = None
        to_do = f" ({total - done} of {total} {unit} to do)" if total else ""
        log.info("round %d: %s begins%s", self.round_number, stage, to_do)
        return counters

    def pause(self, stage: str) -> None:
        """Mark a stage as waiting for others: it has done what it could so far."""
        counters = self.stages[stage]
        counters.state, counters.ended = "pending", time.monotonic()

    def end(self, stage: str, note: str = "") -> None:
        """Mark a stage as done."""
        counters = self.stages[stage]
        counters.state, counters.ended = "done", counters.ended or time.monotonic()
        log.info(
            "round %d: %s done in %.1f s%s", self.round_number, stage, counters.wall_s, f": {note}" if note else ""
        )

    def settle(self, rows: Iterable[Stage]) -> None:
        """Mark stages as done and stored, by this start of the run or an earlier one: what is shown is what is kept."""
        for row in rows:
            self.stages[row.name].state, self.stages[row.name].stored = "done", row

    def check_stop(self) -> None:
        """Stop here if the user asked to: called between units of work.

        Raises:
            StopRequested: The user pressed Ctrl-C or the process got SIGTERM.
        """
        if self.stop:
            raise StopRequested


class LogTail(logging.Handler):
    """Keeps the last log lines for the dashboard."""

    def __init__(self, lines: int = 6) -> None:
        super().__init__(level=logging.INFO)
        self.lines: deque[str] = deque(maxlen=lines)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the first line."""
        self.lines.append(self.format(record).partition("\n")[0])
