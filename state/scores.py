"""What benchmarks found: records of the tables `scores` and `ground_truths` (see `state.records`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One benchmark task answered by one set of weights; shared by all rounds."""

    id: str
    weights_id: str
    """`model_sha256` for the base model, else the adapter's id."""
    benchmark: str
    decoding: str
    """Canonical JSON of the decoding settings."""
    task_id: str
    position: int
    """Sample of the task, 0 <= position < n."""
    reply: str
    source: str
    passed: bool
    status: str
    trust: str
    tokens: int
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundTruth:
    """What became of a benchmark task's own right program on this host: a task whose program fails is left out."""

    id: str
    benchmark: str
    task_id: str
    task_sha256: str
    """Hash of everything the task asks and scores by."""
    host: str
    """Canonical JSON of what the outcome depends on: sandbox level and sources, limits, Python."""
    checked_at: str
    """UTC, ISO 8601."""
    passed: bool
    status: str
    """As of a score; "unavailable" where the task needs a module that the sandbox does not have."""
    detail: str
    """Why it did not pass; of one that did, what its test noted."""
    wall_s: float
