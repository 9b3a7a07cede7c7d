"""The loop with a scripted model: restarts, counts, decisions. Sandbox, database, selection and gate are real."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from selfplay import config, startup
from selfplay.models import ModelFiles
from state.records import Adapter, Matrix, Pair, Promotion, Reply, Round, Sample, Score, Stage
from state.store import Store
from tests import scripted_loop
from tests.script import BASE
from tests.tables import rows

ROOT = Path(__file__).parent.parent


def start(runs_dir: Path, name: str, rounds: int, delay_s: float) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.scripted_loop", str(runs_dir), name, str(rounds), str(delay_s)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run of two rounds."""
    runs = tmp_path_factory.mktemp("undisturbed")
    assert scripted_loop.run(runs, "a", 2) == 0
    return runs / "a"


def test_a_round_holds_exactly_what_was_asked_for(undisturbed: Path) -> None:
    with Store.open(undisturbed / "run.db", read_only=True) as store:
        for round_ in store.all(Round):
            assert store.count(Reply, round_id=round_.id, kind="code") == 4 * 4
            assert store.count(Reply, round_id=round_.id, kind="test") == 4 * 1
            assert store.count(Matrix, round_id=round_.id) == 4
            assert store.count(Adapter, round_id=round_.id) == 1
            assert store.count(Promotion, round_id=round_.id) == 1
            assert {stage.name for stage in store.all(Stage, round_id=round_.id)} == {
                "problems", "code", "tests", "judge", "select", "train", "benchmark", "gate",
            }  # fmt: skip
            for matrix in store.all(Matrix, round_id=round_.id):
                codes, tests = json.loads(matrix.code_ids), json.loads(matrix.test_ids)
                passed = json.loads(matrix.passed)
                assert [len(row) for row in passed] == [len(tests)] * len(codes)


def test_pairs_come_from_the_stored_matrix_and_good_codes_are_chosen(undisturbed: Path) -> None:
    with Store.open(undisturbed / "run.db", read_only=True) as store:
        pairs = store.all(Pair)
        assert pairs
        for pair in pairs:
            matrix = store.all(Matrix, round_id=pair.round_id, problem_id=pair.problem_id)[0]
            codes, tests = json.loads(matrix.code_ids), json.loads(matrix.test_ids)
            cells = json.loads(matrix.passed)
            assert cells[codes.index(pair.chosen_code_id)][tests.index(pair.chosen_test_id)] == "1"
            assert cells[codes.index(pair.rejected_code_id)][tests.index(pair.rejected_test_id)] == "0"
            assert (pair.chosen_right, pair.rejected_right) == (True, False)


def test_a_code_that_differs_only_in_comments_is_a_duplicate(undisturbed: Path) -> None:
    with Store.open(undisturbed / "run.db", read_only=True) as store:
        assert store.count(Sample, kind="code", defect="duplicate") > 0


def test_the_champion_is_scored_once_however_many_rounds_it_leads(undisturbed: Path) -> None:
    with Store.open(undisturbed / "run.db", read_only=True) as store:
        scores = store.all(Score)
        assert len({(score.weights_id, score.benchmark, score.task_id, score.position) for score in scores}) == len(
            scores
        )
        by_weights = {
            weights: store.count(Score, weights_id=weights) for weights in {score.weights_id for score in scores}
        }
        assert set(by_weights.values()) == {8}


def test_repeating_the_command_changes_nothing(tmp_path: Path, undisturbed: Path) -> None:
    runs = tmp_path / "runs"
    scripted_loop.run(runs, "a", 1)
    first = rows(runs / "a" / "run.db")
    scripted_loop.run(runs, "a", 1)
    assert rows(runs / "a" / "run.db") == first
    scripted_loop.run(runs, "a", 2)
    assert rows(runs / "a" / "run.db") == rows(undisturbed / "run.db")


def test_merged_weights_left_by_a_kill_after_the_last_decision_go_at_the_next_start(tmp_path: Path) -> None:
    scripted_loop.run(tmp_path, "a", 1)
    (tmp_path / "a" / "merged" / "0123456789abcdef").mkdir()
    scripted_loop.run(tmp_path, "a", 1)
    assert list((tmp_path / "a" / "merged").iterdir()) == []


@pytest.mark.parametrize("stage", ["code", "tests", "judge", "select", "train", "benchmark", "gate"])
def test_a_run_killed_in_any_stage_ends_like_an_undisturbed_one(tmp_path: Path, undisturbed: Path, stage: str) -> None:
    process = start(tmp_path, "a", 2, 0.05)
    log = tmp_path / "a" / "logs" / "run.log"
    wanted = f"round 1: {stage} begins"
    deadline = time.monotonic() + 60
    while not (log.exists() and wanted in log.read_text()):
        assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert process.stderr is not None
    process.stderr.close()
    assert scripted_loop.run(tmp_path, "a", 2) == 0
    assert rows(tmp_path / "a" / "run.db") == rows(undisturbed / "run.db")


def test_an_interrupted_run_ends_with_0_and_goes_on(tmp_path: Path, undisturbed: Path) -> None:
    process = start(tmp_path, "a", 2, 0.05)
    log = tmp_path / "a" / "logs" / "run.log"
    while not (log.exists() and "round 1: code begins" in log.read_text()):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors.decode()
    with Store.open(tmp_path / "a" / "run.db", read_only=True) as store:
        assert store.all(Round)[0].finished_at is None
    assert scripted_loop.run(tmp_path, "a", 2) == 0
    assert rows(tmp_path / "a" / "run.db") == rows(undisturbed / "run.db")


def test_what_was_written_and_judged_is_shown_before_the_next_stage_begins(tmp_path: Path) -> None:
    settings = config.load("smoke", scripted_loop.SETTINGS)
    model = ModelFiles(folder=tmp_path / "script", sha256=BASE, source="script", licence=None)
    with startup.opened(
        tmp_path / "a",
        settings,
        lambda: model,
        rounds=1,
        console=Console(stderr=True, force_terminal=False),
        make_tools=scripted_loop.scripted_tools(0.0),
    ) as loop:
        round_ = loop.begin(1)
        assert round_ is not None
        loop.sample_and_judge(round_, loop.choose_problems(round_))
        (shown,) = loop.progress.overviews
    assert shown.judged == 4
    assert shown.wall_s > 0
