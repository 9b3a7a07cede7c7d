"""Real classes behind the product's seams, with a script in place of a model.

`ScriptedGenerator` answers from a script (script.py). `scripted_training` writes a small real adapter folder. Both keep
the stages' real contracts (streaming, progress, restart points), so that the loop, the store, the sandbox, the
selection and the gate under test are the product's own.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from selfplay.engines import Weights
from selfplay.generate import Answer, Completion, Request
from selfplay.train import ADAPTER_FILES, TrainJob, TrainResult, adapter_sha256
from tests.script import Script


@dataclass
class ScriptedGenerator:
    """Answers as its script says."""

    weights: Weights
    script: Script
    asked: list[str] = field(default_factory=list)

    @property
    def canary(self) -> str | None:
        return "def add(a, b): return a + b"

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        done = 0
        for request in requests:
            self.asked.append(request.id)
            time.sleep(self.script.delay_s)
            texts = [
                self.script.reply(self.weights.id, request.id, request.seed, position) for position in range(request.n)
            ]
            completions = tuple(
                Completion(text=text, tokens=len(text) // 4 + 1, finish_reason="stop") for text in texts
            )
            done += sum(completion.tokens for completion in completions)
            if on_progress is not None:
                on_progress(done)
            yield Answer(request_id=request.id, prompt_tokens=50, completions=completions)

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> ScriptedGenerator:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def scripted_training(
    steps: int = 6, delay_s: float = 0.0
) -> Callable[[TrainJob, Path, Callable[[dict[str, Any]], None]], TrainResult]:
    """Return a trainer that logs `steps` steps and leaves an adapter folder whose bytes depend on the job alone."""

    def train(job: TrainJob, log: Path, on_step: Callable[[dict[str, Any]], None]) -> TrainResult:
        identity = hashlib.sha256(
            json.dumps([job.examples, job.seed, job.parent and job.parent.name]).encode()
        ).hexdigest()
        for step in range(1, steps + 1):
            time.sleep(delay_s)
            on_step({"step": step, "total_steps": steps, "loss": 0.7 / step, "tokens": 100, "wall_s": 0.1})
        log.write_text(f"{steps} steps\n")
        temporary = job.out.with_suffix(".tmp")
        temporary.mkdir(parents=True, exist_ok=True)
        for name in ADAPTER_FILES:
            (temporary / name).write_text(identity)
        if not job.out.exists():
            temporary.rename(job.out)
        return TrainResult(
            outcome="trained",
            reason="",
            steps=steps,
            tokens=100 * steps,
            tokens_per_s=10.0,
            metrics={"loss": 0.7 / steps},
            sha256=adapter_sha256(job.out),
        )

    return train
