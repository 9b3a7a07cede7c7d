"""The loop's own picture of itself: counters while a stage runs, what is stored once it is done."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from selfplay import config
from selfplay.models import ModelFiles
from selfplay.progress import LogTail, Progress
from selfplay.resources import Resources
from selfplay.session import Session
from selfplay.snapshot import StageLine
from selfplay.view import snapshot
from state.store import Store
from tests.state import rows


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    files = ModelFiles(folder=tmp_path, sha256="s", source="test", licence=None)
    with Store.open(tmp_path / "run.db", create=True) as store:
        yield Session(
            folder=tmp_path, config=config.load("smoke"), store=store, run=rows.run(), model=files, tasks={}
        )  # fmt: skip


def line(session: Session, progress: Progress, name: str) -> StageLine:
    (found,) = [
        each for each in snapshot(session, progress, Resources(), LogTail(), "bwrap").stages if each.name == name
    ]
    return found


def begun() -> Progress:
    progress = Progress(rounds=2)
    progress.begin_round(1)
    return progress


def test_a_training_under_way_shows_its_losses(session: Session) -> None:
    progress = begun()
    progress.begin("train", 4, "steps").losses = {1: 0.7, 2: 0.6}
    assert line(session, progress, "train").losses == (0.7, 0.6)


def test_a_finished_stage_shows_what_is_stored_of_it_and_not_the_counters(session: Session) -> None:
    progress = begun()
    counters = progress.begin("code", 6, "problems")
    counters.tokens, counters.done = 900, 6
    progress.end("code")
    progress.settle([rows.stage("code", wall_s=20.0)])
    seen = line(session, progress, "code")
    assert (seen.state, seen.total, seen.wall_s, seen.rate) == ("done", 6, 20.0, "100 tokens/s"), "100 tokens in 1 s"


def test_the_time_left_counts_stages_that_overlap_once(session: Session) -> None:
    session.store.add(rows.run(), dataclasses.replace(rows.turn(), outcome="kept"), rows.stage("code", wall_s=100.0))
    progress = Progress(rounds=2, overviews=tuple(session.store.rounds_overview()))
    progress.begin_round(2)
    progress.settle([rows.stage("problems", wall_s=5.0)])
    for name in ("code", "tests", "judge"):
        progress.begin(name, 6, "problems").started = time.monotonic() - 20
    seen = snapshot(session, progress, Resources(), LogTail(), "bwrap")
    assert seen.left_s == pytest.approx(100 - 5 - 20, abs=2)


def test_a_stage_that_an_earlier_start_finished_still_shows_its_time(session: Session) -> None:
    progress = begun()
    progress.settle([rows.stage("code", wall_s=20.0)])
    seen = line(session, progress, "code")
    assert (seen.state, seen.wall_s) == ("done", 20.0)
    assert (line(session, progress, "tests").state, line(session, progress, "tests").wall_s) == ("pending", None)
