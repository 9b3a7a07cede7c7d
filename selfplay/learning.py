"""The train stage as the loop sees it: pairs in, an adapter's row out, and a row for each logged step on the way."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selfplay.pairs import derive_seed
from selfplay.progress import Progress
from selfplay.retention import round_name
from selfplay.sections import Train
from selfplay.session import Session
from selfplay.train import TrainJob, TrainResult
from state.records import Adapter, Pair, Round, TrainStep, content_id

Trainer = Callable[[TrainJob, Path, Callable[[dict[str, Any]], None]], TrainResult]
"""Trains a job, with a log file and a callback for every logged step (selfplay.train.train in earnest)."""

_LOGGED = TrainStep.__dataclass_fields__.keys() - {"id", "round_id", "step"}


def learn(
    session: Session, train: Trainer, round_: Round, pairs: Sequence[Pair], parent: Path | None, progress: Progress
) -> TrainResult:
    """Train an adapter on a round's pairs; each logged step is stored as it comes.

    Args:
        session: The run.
        train: What trains.
        round_: The round, whose number names the adapter's folder.
        pairs: At least one.
        parent: Folder of the adapter to start from; None starts from the base model.
        progress: Told of each step.

    Raises:
        StopRequested: The user asked to stop; the same call goes on from the last restart point.
        HostError: The machine failed.
    """
    store, name = session.store, round_name(round_.number)
    counters = progress.stages["train"]

    def on_step(values: dict[str, Any]) -> None:
        number = int(values["step"])
        step = TrainStep(
            id=content_id(round_.id, "step", number),
            round_id=round_.id,
            step=number,
            **{key: values.get(key) for key in _LOGGED},
        )
        with store.transaction():
            store.add(step)
        counters.done, counters.total = number, int(values.get("total_steps") or counters.total)
        counters.tokens += step.tokens or 0
        if step.loss is not None:
            counters.losses = {**counters.losses, number: step.loss}
        progress.check_stop()

    job = TrainJob(
        model=session.model.folder,
        parent=parent,
        examples=[
            {"prompt": json.loads(pair.prompt), "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs
        ],
        section=session.config.train,
        seed=derive_seed(session.config.seed, round_.number, "train") % 2**31,
        out=session.folder / "adapters" / name,
        checkpoints=session.folder / "work" / name,
    )
    return train(job, session.folder / "logs" / f"train-{name}.log", on_step)


def too_few(pairs: int, section: Train) -> TrainResult:
    """Return the result of not training at all."""
    return TrainResult(
        outcome="too_few_pairs",
        reason=f"{pairs} pairs, fewer than train.min_pairs = {section.min_pairs}",
        steps=0,
        tokens=0,
        tokens_per_s=None,
    )


def adapter(round_: Round, pairs: int, section: Train, result: TrainResult) -> Adapter:
    """Return what came of a training as a row."""
    return Adapter(
        id=content_id(round_.id, "adapter", result.sha256),
        round_id=round_.id,
        parent_id=round_.champion_id,
        path=f"adapters/{round_name(round_.number)}" if result.sha256 else None,
        sha256=result.sha256,
        method=section.method,
        reference=section.reference,
        pairs=pairs,
        steps=result.steps,
        outcome=result.outcome,
        reason=result.reason,
        metrics=json.dumps(result.metrics | {"tokens_per_s": result.tokens_per_s}),
    )
