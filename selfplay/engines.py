"""Which weights are being served: one model process at a time.

Ending the process is the only dependable way to give a GPU's memory back, so changing the weights, or training, ends
it. Asking again for the weights that are already up costs nothing: a candidate that was benchmarked and promoted goes
on to write the next round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selfplay.generate import Generator

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The base model, or the base model with an adapter."""

    id: str
    """Hash of the base weights, or the adapter's id: the key under which scores are cached."""
    adapter: Path | None
    """The adapter's folder; None is the base model."""


class Engines:
    """Holds at most one open generator."""

    def __init__(self, start: Callable[[Weights], Generator]) -> None:
        self._start = start
        self._weights: Weights | None = None
        self._generator: Generator | None = None
        self._canaries: dict[str, str] = {}

    def serving(self, weights: Weights) -> Generator:
        """Return a generator that answers with these weights, ending one that serves others."""
        if self._generator is None or self._weights != weights:
            self.close()
            self._generator = self._start(weights)
            self._weights = weights
        return self._generator

    def canary(self) -> str | None:
        """Return the engine's answer to the fixed greedy prompt of its start; log when it differs between starts."""
        if self._generator is None or self._weights is None or self._generator.canary is None:
            return None
        text = self._generator.canary
        before = self._canaries.setdefault(self._weights.id, text)
        if text != before:
            log.warning(
                "weights %s answered the canary prompt differently than at an earlier start",
                self._weights.id,
            )
        return text

    def close(self) -> None:
        """End the model process, if there is one."""
        if self._generator is not None:
            self._generator.close()
        self._generator = self._weights = None
