"""Preference pairs become the next QLoRA adapter.

`train` runs trainer.py in a worker process and returns what came of it. A training that diverges is a result, not an
exception. What a finished job left in `out` is returned as it is; an unfinished one goes on from its last restart
point; either way `on_step` hears every step of the job, in order, so a caller that died in between misses none.

A worker that took no step for too long, or died after one, is started again from its last restart point. One that ran
out of memory is started again with smaller batches and more accumulation: the same optimiser steps over the same pairs.
Deviation: sums are then rounded in another order, so the adapter's bytes differ from those of an undisturbed run. Any
other restart gives the same bytes on the same CPU.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from selfplay.channel import Json
from selfplay.errors import DiskFailed, HostError, StageFailed
from selfplay.prompts import Message
from selfplay.sections import Train
from selfplay.track import Curves
from selfplay.watchdog import Watchdog
from selfplay.worker import Worker
from selfplay.worker_death import MEMORY_SIGNS, WorkerDied
from selfplay.worker_environment import cpu_environment

logger = logging.getLogger(__name__)

ADAPTER_FILES = ("adapter_model.safetensors", "adapter_config.json")
RESULT_FILE = "result.json"
"""Written last into a job's folder; its presence says that the folder is whole."""

Step = dict[str, float | int | None]
"""One training step, with the field names of `state.records.TrainStep` and `total_steps`."""


class Example(TypedDict):
    """A prompt and two replies to it, the better one first."""

    prompt: Sequence[Message]
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainJob:
    """What to train, on what, and where to put it."""

    model: Path
    """Folder of the base model."""
    parent: Path | None
    """Folder of the adapter to start from; None starts a fresh one, which changes nothing yet."""
    examples: Sequence[Example]
    section: Train
    seed: int
    out: Path
    """Folder to make; written under another name, flushed to disk, and renamed."""
    checkpoints: Path
    """Folder for restart points; removed when the job is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """What came of a job."""

    outcome: Literal["trained", "diverged", "too_few_pairs"]
    reason: str
    """Why there is no adapter; empty where there is one."""
    steps: int
    """Optimiser steps taken."""
    tokens: int
    """Prompt and reply tokens that passed through the model in training steps, without padding."""
    tokens_per_s: float | None
    """`tokens` over the time in training steps and reference log-probabilities."""
    metrics: dict[str, float | int | None] = field(default_factory=dict)
    """Last logged values, and where the time went (names end in their units)."""
    sha256: str | None = None
    """`adapter_sha256` of the folder; None where nothing was trained."""


class Batching(NamedTuple):
    """How an optimiser step is cut into pieces that fit into memory."""

    batch_size: int
    """Pairs on the device at once."""
    accumulation: int
    """Pieces in a step."""
    checkpointing: bool
    """Compute activations again in the backward pass instead of keeping them."""

    def smaller(self) -> Batching:
        """Return a way to take the same steps in less memory."""
        if self.batch_size == 1:
            return self._replace(checkpointing=True)
        size = next(size for size in range(self.batch_size // 2, 0, -1) if self.batch_size % size == 0)
        return self._replace(batch_size=size, accumulation=self.accumulation * self.batch_size // size)


def train(
    job: TrainJob,
    log: Path,
    on_step: Callable[[Step], None],
    *,
    module: str = "selfplay.trainer",
    watchdog: Watchdog | None = None,
    curves: Curves | None = None,
) -> TrainResult:
    """Make `job.out` hold the trained adapter, or the news that there is none.

    Args:
        job: What to do.
        log: Collects what the worker prints.
        on_step: Called with every step of the job, in order, whether this call or an earlier one took it.
        module: The worker to start.
        watchdog: How long to wait for a step, and how often to start the worker.
        curves: Where curves of the training go besides, under the name of `job.out`; its result does not depend on it.

    Raises:
        StageFailed: The worker died before any step for another reason than memory, or failed as often as the watchdog
            allows.
        DiskFailed: It failed because of a disk, or what a finished job left is damaged.
        HostError: `job.out` holds the result of another job.
    """
    told, patience = 0, watchdog or Watchdog()

    def tell(step: Step) -> None:
        nonlocal told
        number = step["step"]
        if isinstance(number, int) and number > told:
            told = number
            on_step(step)

    identity = fingerprint(job)
    section = job.section
    batching = Batching(section.batch_size, section.accumulation, section.gradient_checkpointing)
    for start in range(1, patience.starts + 1):
        if (result := _finished(job.out, identity, tell)) is not None:
            shutil.rmtree(job.checkpoints, ignore_errors=True)
            return result
        before = told
        try:
            message = to_message(job, identity, batching) | {"curves": curves and curves.to_message()}
            _work(module, message, log, tell, patience, curves.environment() if curves else {})
        except WorkerDied as died:
            logger.warning("%s\nthe end of its log:\n%s", died, died.log_tail)
            stuck, got_on = died.status is None, told > before
            if start == patience.starts or not (stuck or got_on or died.out_of_memory):
                raise
            # A kill from outside looks like the kernel's: try once more as it was before asking for less.
            silent = died.status == -signal.SIGKILL and not any(sign in died.log_tail for sign in MEMORY_SIGNS)
            if died.out_of_memory and not (silent and start == 1):
                batching = batching.smaller()
            logger.warning("starting the training again with %d pairs at once", batching.batch_size)
    if (result := _finished(job.out, identity, tell)) is None:
        raise StageFailed(f"the training worker ended without a result; its log is {log}")
    shutil.rmtree(job.checkpoints, ignore_errors=True)
    return result


def adapter_sha256(folder: Path) -> str:
    """Return the hash of an adapter: the names, sizes and bytes of its weights and config.

    Raises:
        DiskFailed: A file is missing, or cannot be read.
    """
    digest = hashlib.sha256()
    for name in ADAPTER_FILES:
        try:
            data = (folder / name).read_bytes()
        except OSError as error:
            raise DiskFailed(
                f"adapter {folder}: {name} cannot be read ({error.strerror or error}); put the folder back from a "
                "copy, or start another run"
            ) from error
        digest.update(f"{name} {len(data)}\n".encode())
        digest.update(data)
    return digest.hexdigest()


def fingerprint(job: TrainJob) -> str:
    """Return the hash of everything that decides what a job's adapter should be, the base model apart."""
    parts = {
        "parent": None if job.parent is None else adapter_sha256(job.parent),
        "examples": list(job.examples),
        "section": job.section.model_dump(exclude={"save_every"}),
        "seed": job.seed,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _work(
    module: str, message: Json, log: Path, tell: Callable[[Step], None], watchdog: Watchdog, told: Mapping[str, str]
) -> None:
    """Have a worker do the job, with the variables `told` in its environment."""
    env = {**cpu_environment(), "HF_DATASETS_OFFLINE": "1", "TQDM_DISABLE": "1", **told}
    with Worker(module, message, log=log, env=env, deadline_s=watchdog.start_s) as worker:
        for news in worker.messages():
            if "step" in news:
                step = news["step"]
                if not isinstance(step, dict) or not isinstance(step.get("step"), int):
                    raise worker.ended(f"sent what is no step ({str(step)[:80]})")
                tell(step)
            elif "warning" in news:
                logger.warning("%s", news["warning"])
            elif "load_s" in news:
                worker.deadline_s = watchdog.step_s


def to_message(job: TrainJob, identity: str, batching: Batching) -> Json:
    """Return what a worker is sent."""
    return {
        "model": str(job.model),
        "parent": None if job.parent is None else str(job.parent),
        "examples": list(job.examples),
        "section": job.section.model_dump(),
        "seed": job.seed,
        "out": str(job.out),
        "checkpoints": str(job.checkpoints),
        "identity": identity,
        "batching": list(batching),
    }


def from_message(message: Json) -> tuple[TrainJob, str, Batching]:
    """Return what `to_message` was given."""
    job = TrainJob(
        model=Path(message["model"]),
        parent=None if message["parent"] is None else Path(message["parent"]),
        examples=message["examples"],
        section=Train.model_validate(message["section"]),
        seed=message["seed"],
        out=Path(message["out"]),
        checkpoints=Path(message["checkpoints"]),
    )
    return job, message["identity"], Batching(*message["batching"])


def _finished(out: Path, identity: str, tell: Callable[[Step], None]) -> TrainResult | None:
    """Return what a finished job left, and tell of its steps; None where it is unfinished."""
    try:
        text = (out / RESULT_FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        stored = json.loads(text)
        fingerprint_, result, steps = stored["fingerprint"], TrainResult(**stored["result"]), list(stored["steps"])
    except (ValueError, KeyError, TypeError) as error:
        raise DiskFailed(
            f"{out / RESULT_FILE} is damaged; move {out} away and repeat the command: the round is trained again"
        ) from error
    if fingerprint_ != identity:
        raise HostError(f"{out} holds the adapter of another training job; move it away and run again")
    if result.sha256 is not None and adapter_sha256(out) != result.sha256:
        raise DiskFailed(f"adapter {out} has changed since it was trained; move it away and run again")
    for step in steps:
        tell(step)
    return result


def result_json(result: TrainResult, identity: str, steps: Sequence[Step]) -> str:
    """Return the contents of `RESULT_FILE`."""
    return json.dumps({"fingerprint": identity, "result": asdict(result), "steps": list(steps)}, indent=1)
