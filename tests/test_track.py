"""Curves for TensorBoard and trackio: what they say is what the run knows, whatever becomes of a process."""

from __future__ import annotations

import json
import logging
import os
import signal
import sqlite3
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from selfplay import commands, track_rounds
from selfplay.errors import UserError
from selfplay.sections import Track
from selfplay.track import Curves, check, curves, from_message
from selfplay.train import Example, Step, train
from state.records import Promotion
from state.store import Store
from tests import scripted_loop
from tests.small_training import job_in, number, section, write_tiny

Curve = dict[str, list[tuple[int, float]]]
"""Name of a value -> its points (step, value)."""

NAMES = {
    "train/loss": "loss",
    "train/rewards/margins": "reward_margin",
    "train/rewards/accuracies": "reward_accuracy",
    "train/learning_rate": "learning_rate",
    "train/grad_norm": "grad_norm",
}
"""TRL's name of a value -> ours; log-probabilities are per reply there and per token here."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny"))


def of_tensorboard(folder: Path, name: str) -> Curve:
    """Read a folder as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder / name), size_guidance={"scalars": 0, "tensors": 0})
    reader.Reload()
    return {tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


def of_trackio(folder: Path, name: str) -> Curve:
    """Read a curve from trackio's database."""
    (path,) = (folder / "trackio").glob("*.db")
    with sqlite3.connect(path) as database:
        query = "SELECT step, metrics FROM metrics WHERE run_name = ? ORDER BY step, id"
        stored = [(step, json.loads(text)) for step, text in database.execute(query, (name,))]
    database.close()
    found: Curve = {}
    for step, values in stored:
        for key, value in values.items():
            found.setdefault(key, []).append((int(values.get("train/global_step", step)), value))
    return found


READERS = {"tensorboard": of_tensorboard, "trackio": of_trackio}
viewers = pytest.mark.parametrize(
    "viewer",
    [
        "tensorboard",
        pytest.param(
            "trackio", marks=pytest.mark.skipif(find_spec("trackio") is None, reason="trackio is not installed")
        ),
    ],
)


def to(folder: Path, *names: str) -> Curves:
    return Curves(to=names, folder=folder / "track", run="mine")


def compare(curve: Curve, steps: list[Step]) -> None:
    """Every step is there once, with the values of its row."""
    for theirs, ours in NAMES.items():
        points = [(step, value) for step, value in curve[theirs] if value is not None]
        assert [step for step, _ in points] == list(range(1, len(steps) + 1)), theirs
        assert [value for _, value in points] == pytest.approx([number(step, ours) for step in steps], rel=1e-6), theirs


@viewers
def test_a_training_killed_in_the_middle_leaves_one_curve_and_nothing_outside_the_run(
    tiny: Path, tmp_path: Path, viewer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worker dies at any look-up of an address, and once by SIGKILL, three steps beyond its restart point."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    job = job_in(tmp_path, tiny, section=section(epochs=5.0, save_every=4), out=tmp_path / "adapters" / "round-0001")
    steps: list[Step] = []
    workers: set[int] = set()

    def kill_at_7(step: Step) -> None:
        steps.append(step)
        worker = next(p for p in psutil.Process().children() if "tests.watched_trainer" in p.cmdline())
        if step["step"] == 7:
            os.kill(worker.pid, signal.SIGKILL)
        workers.add(worker.pid)

    result = train(job, tmp_path / "log", kill_at_7, module="tests.watched_trainer", curves=to(tmp_path, viewer))
    assert (result.outcome, len(workers), len(steps)) == ("trained", 2, 10)
    compare(READERS[viewer](tmp_path / "track", "round-0001"), steps)
    assert "refused" not in (tmp_path / "log").read_text()
    assert [path for path in home.rglob("*") if "track" in path.as_posix() or "gradio" in path.as_posix()] == []


def test_a_torn_record_and_steps_that_were_taken_back_are_in_no_curve(tiny: Path, tmp_path: Path) -> None:
    """What an earlier training of the round has left, with half of a record at its end."""
    job = job_in(tmp_path, tiny, section=section(epochs=1.0), out=tmp_path / "adapters" / "round-0001")
    first: list[Step] = []
    train(job, tmp_path / "log", first.append, curves=to(tmp_path, "tensorboard"))
    (file,) = (tmp_path / "track" / "round-0001").iterdir()
    file.write_bytes(file.read_bytes()[:-5])
    job.out.rename(tmp_path / "elsewhere")
    steps: list[Step] = []
    again = job_in(tmp_path, tiny, section=section(epochs=1.5, learning_rate=1e-4), out=job.out)
    train(again, tmp_path / "log", steps.append, curves=to(tmp_path, "tensorboard"))
    compare(of_tensorboard(tmp_path / "track", "round-0001"), steps)


def test_where_nothing_can_be_written_the_training_is_the_same_and_the_log_says_so(
    tiny: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "track").write_text("not a folder")
    plain = train(job_in(tmp_path / "plain", tiny), tmp_path / "log", lambda _: None)
    with caplog.at_level(logging.WARNING):
        result = train(
            job_in(tmp_path / "tracked", tiny), tmp_path / "log", lambda _: None, curves=to(tmp_path, "tensorboard")
        )
    assert (result.outcome, result.sha256) == ("trained", plain.sha256)
    assert "the curves of out for tensorboard cannot be written" in caplog.text
    assert "goes on without" in caplog.text


@pytest.mark.e2e
def test_the_real_small_models_curve_is_its_steps(tmp_path: Path) -> None:
    from selfplay.models import resolve

    pair: Example = {
        "prompt": [{"role": "user", "content": "Write a Python function add(a, b)."}],
        "chosen": "```python\ndef add(a, b):\n    return a + b\n```",
        "rejected": "```python\ndef add(a, b):\n    return a - b\n```",
    }
    settings = section(batch_size=2, accumulation=1, max_length=128, epochs=3.0, save_every=1)
    job = job_in(tmp_path, resolve("smollm2-135m").folder, examples=[pair, pair], section=settings)
    steps: list[Step] = []

    def stop(step: Step) -> None:
        if step["step"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(job, tmp_path / "log", stop, curves=to(tmp_path, "tensorboard"))
    result = train(job, tmp_path / "log", steps.append, curves=to(tmp_path, "tensorboard"))
    assert (result.outcome, len(steps)) == ("trained", 3)
    compare(of_tensorboard(tmp_path / "track", "out"), steps)


def test_curves_survive_the_way_to_the_worker(tmp_path: Path) -> None:
    wanted = to(tmp_path, "tensorboard", "trackio")
    assert from_message(json.loads(json.dumps(wanted.to_message()))) == wanted
    assert curves(tmp_path, Track()) is None


def plays(runs: Path, rounds: int, *overrides: str) -> int:
    return commands.guarded(lambda: scripted_loop.run(runs, "a", rounds, overrides=overrides))


@viewers
def test_each_finished_round_is_a_point_even_where_the_curves_were_asked_for_later(tmp_path: Path, viewer: str) -> None:
    assert plays(tmp_path, 1) == 0
    assert not (tmp_path / "a" / "track").exists()
    assert plays(tmp_path, 2, f"track.to={viewer}") == 0
    assert plays(tmp_path, 2, f"track.to={viewer}") == 0
    curve = READERS[viewer](tmp_path / "a" / "track", "rounds")
    with Store.open(tmp_path / "a" / "run.db", read_only=True) as store:
        evidence = [json.loads(row.evidence)[0] for row in store.all(Promotion)]
        overviews = store.rounds_overview()
    assert len(evidence) == 2
    expected = {
        "humaneval/champion": [row["champion_pass"] for row in evidence],
        "humaneval/candidate_low": [row["candidate_interval"][0] for row in evidence],
        "humaneval/difference_high": [row["difference_interval"][1] for row in evidence],
        "pairs/made": [turn.pairs for turn in overviews],
        "round/promoted": [float(turn.outcome == "promoted") for turn in overviews],
    }
    for name, values in expected.items():
        assert [step for step, _ in curve[name]] == [1, 2], name
        assert [value for _, value in curve[name]] == pytest.approx(values, rel=1e-6), name


def test_points_that_were_written_before_a_kill_are_not_doubled(tmp_path: Path) -> None:
    """The process dies between writing the new file and removing the old one."""
    wanted = to(tmp_path, "tensorboard")
    old = [{"step": step, "time_s": 1000.0 + step, "values": {"x": 0.0}} for step in (1, 2, 3)]
    new = [{"step": step, "time_s": 1000.0 + step, "values": {"x": 1.0}} for step in (1, 2)]
    track_rounds.write_tensorboard(wanted, old)
    (file,) = (tmp_path / "track" / "rounds").iterdir()
    kept = file.read_bytes()
    track_rounds.write_tensorboard(wanted, new)
    assert len(list((tmp_path / "track" / "rounds").iterdir())) == 1
    file.write_bytes(kept)
    assert of_tensorboard(tmp_path / "track", "rounds") == {"x": [(1, 1.0), (2, 1.0)]}


def test_rounds_go_on_where_their_curves_cannot_be_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert plays(tmp_path, 1) == 0
    (tmp_path / "a" / "track").write_text("not a folder")
    assert plays(tmp_path, 2, "track.to=tensorboard") == 0
    assert "the curves of the rounds cannot be written" in caplog.text


def test_what_is_not_known_of_a_round_is_no_point(promoted: Path) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        turn = store.rounds_overview()[0]
    found = track_rounds.values(turn, None)
    assert found["pairs/made"] == turn.pairs
    assert not any(name.startswith("humaneval") for name in found)


def test_a_viewer_that_is_not_installed_is_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check(Track(to=("tensorboard",)))
    monkeypatch.setitem(sys.modules, "tensorboard", None)  # as if it were not there
    with pytest.raises(UserError, match="uv pip install tensorboard"):
        check(Track(to=("tensorboard",)))
    assert plays(tmp_path, 1, "track.to=tensorboard") == commands.USER
    assert "track.to=tensorboard needs the package tensorboard" in capsys.readouterr().err.replace("\n", " ")
    assert not (tmp_path / "a").exists()
