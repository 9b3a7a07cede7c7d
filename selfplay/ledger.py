"""Finished stages: each stage's results and its own row are stored in one transaction, or not at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from selfplay.progress import Progress
from selfplay.session import now
from state.records import Record, Round, Stage, content_id
from state.store import Store


@dataclass(slots=True)
class StageResult:
    """What a stage hands over to be stored when it ends well."""

    rows: list[Record] = field(default_factory=list)
    changed: list[Record] = field(default_factory=list)
    """Rows that exist already and get new values."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Whatever else the stage counted."""
    model_s: float | None = None
    sandbox_s: float | None = None
    earlier_s: float = 0.0
    """Wall time spent on this stage before it began in earnest."""


class Ledger:
    """Knows which stages of a round are finished, and times the one under way."""

    def __init__(
        self,
        store: Store,
        progress: Progress,
        peak_memory: Callable[[], int | None],
        finished: Callable[[], None],
    ) -> None:
        """Keep the books of a run.

        Args:
            store: The run's database.
            progress: The counters that the display reads.
            peak_memory: Largest memory of the process tree since the last call, bytes.
            finished: Called after each stage.
        """
        self.store, self.progress, self.peak_memory, self.finished = store, progress, peak_memory, finished

    def done(self, round_: Round, name: str) -> bool:
        """Return whether a stage of a round is finished."""
        return self.store.stage(round_.id, name) is not None

    @contextmanager
    def stage(self, round_: Round, name: str, total: int, unit: str) -> Iterator[StageResult]:
        """Time a stage; when it ends well, store its rows and its own row in one transaction."""
        begun, clock = now(), time.monotonic()
        counters = self.progress.begin(name, total, unit, self.progress.stages[name].done)
        result = StageResult()
        yield result
        row = Stage(
            id=content_id(round_.id, "stage", name),
            round_id=round_.id,
            name=name,
            started_at=begun,
            wall_s=time.monotonic() - clock + result.earlier_s,
            model_s=result.model_s,
            sandbox_s=result.sandbox_s,
            tokens=counters.tokens or None,
            executions=counters.executions or None,
            peak_rss_bytes=self.peak_memory(),
            detail=json.dumps(result.facts) if result.facts else None,
        )
        with self.store.transaction():
            self.store.add(*result.rows, row)
            for record in result.changed:
                self.store.replace(record)
        self.progress.end(name)
        self.progress.settle([row])
        self.finished()
