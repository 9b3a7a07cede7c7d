"""The train stage as the loop sees it: what is stored and shown of a training while it goes on."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selfplay import config, learning
from selfplay.models import ModelFiles
from selfplay.progress import Progress, StopRequested
from selfplay.session import Session
from selfplay.train import TrainJob, TrainResult
from state.records import Pair, TrainStep
from state.store import Store
from tests.state import rows

PAIR = next(record for record in rows.one_of_each() if isinstance(record, Pair))
DONE = TrainResult(
    outcome="trained", reason="", steps=3, tokens=30, tokens_per_s=5.0, metrics={"loss": 0.5}, sha256="5"
)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A run with a round that has just begun."""
    header = json.dumps({"w": {"shape": [1]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    store = Store.open(tmp_path / "run.db", create=True)
    store.add(rows.run(), rows.turn())
    files = ModelFiles(folder=tmp_path, sha256="s", source="test", licence=None)
    return Session(folder=tmp_path, config=config.load("smoke"), store=store, run=rows.run(), model=files, tasks={})


def learn(session: Session, *steps: dict[str, Any], progress: Progress) -> list[TrainJob]:
    """Train with a trainer that logs these steps; return what it was given."""
    jobs = []

    def train(job: TrainJob, _log: Path, on_step: Callable[[dict[str, Any]], None]) -> TrainResult:
        jobs.append(job)
        for step in steps:
            on_step(step)
        return DONE

    assert learning.learn(session, train, rows.turn(), [PAIR], None, progress) is DONE
    return jobs


def begun() -> Progress:
    progress = Progress(rounds=1)
    progress.begin_round(1)
    progress.begin("train", 0, "steps")
    return progress


def test_each_step_is_stored_and_shown_as_it_comes(session: Session) -> None:
    progress = begun()
    learn(
        session,
        {"step": 1, "total_steps": 3, "loss": 0.7, "tokens": 10},
        {"step": 2, "total_steps": 3, "loss": None, "tokens": None},
        {"step": 3, "total_steps": 3, "loss": 0.5, "tokens": 20, "reward_margin": 0.1},
        progress=progress,
    )
    counters = progress.stages["train"]
    assert (counters.done, counters.total, counters.tokens) == (3, 3, 30)
    assert counters.losses == {1: 0.7, 3: 0.5}
    stored = session.store.all(TrainStep)
    assert [(step.step, step.loss, step.tokens, step.reward_margin) for step in stored] == [
        (1, 0.7, 10, None), (2, None, None, None), (3, 0.5, 20, 0.1),
    ]  # fmt: skip


def test_a_training_that_goes_on_tells_its_steps_again_and_doubles_none(session: Session) -> None:
    first = {"step": 1, "total_steps": 2, "loss": 0.7}
    learn(session, first, progress=begun())
    progress = begun()
    learn(session, first, {"step": 2, "total_steps": 2, "loss": 0.6}, progress=progress)
    assert progress.stages["train"].losses == {1: 0.7, 2: 0.6}
    assert session.store.count(TrainStep) == 2


def test_a_stop_is_taken_after_the_step_in_hand_is_stored(session: Session) -> None:
    progress = begun()
    progress.stop = True
    with pytest.raises(StopRequested):
        learn(session, {"step": 1}, {"step": 2}, progress=progress)
    assert session.store.count(TrainStep) == 1


def test_the_trainer_gets_the_pairs_and_places_of_its_round(session: Session) -> None:
    (job,) = learn(session, progress=begun())
    assert job.examples == [{"prompt": json.loads(PAIR.prompt), "chosen": PAIR.chosen, "rejected": PAIR.rejected}]
    assert job.out == session.folder / "adapters" / "round-0001"
    assert job.parent is None
    assert 0 <= job.seed < 2**31


def test_too_few_pairs_and_a_trained_adapter_become_rows() -> None:
    section = config.load("smoke").train
    none = learning.adapter(rows.turn(), 1, section, learning.too_few(1, section))
    assert (none.outcome, none.path, none.sha256, none.pairs) == ("too_few_pairs", None, None, 1)
    assert none.reason == f"1 pairs, fewer than train.min_pairs = {section.min_pairs}"
    made = learning.adapter(rows.turn(), 8, section, DONE)
    assert (made.outcome, made.path, made.sha256) == ("trained", "adapters/round-0001", "5")
    assert json.loads(made.metrics) == {"loss": 0.5, "tokens_per_s": 5.0}
