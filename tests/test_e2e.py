"""Real rounds with the small real model: vLLM, TRL, bitsandbytes, the sandbox, the gate. Minutes on two cores."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfplay.rules import RULES
from state.records import Adapter, Matrix, Pair, Promotion, Reliability, Reply, Round, Score, Stage, TrainStep
from state.store import Store
from tests.real_round import command, write_problems

ROOT = Path(__file__).parent.parent

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_problems(tmp_path_factory.mktemp("problems") / "easy.jsonl")


def check_round(database: Path) -> None:
    """Assert that the database holds one whole round, exactly as asked for."""
    with Store.open(database, read_only=True) as store:
        (round_,) = store.all(Round)
        assert round_.outcome in {"promoted", "kept"}
        assert store.count(Reply, kind="code") == 6 * 8
        assert store.count(Reply, kind="test") == 6 * 3
        assert store.count(Matrix) == 6
        assert len(store.all(Stage, round_id=round_.id)) == 8
        (adapter,) = store.all(Adapter)
        assert adapter.outcome == "trained", adapter.reason
        assert adapter.path is not None
        assert (database.parent / adapter.path / "adapter_model.safetensors").is_file()
        assert adapter.steps == store.count(TrainStep) > 0
        assert adapter.pairs == store.count(Pair) > 0
        (promotion,) = store.all(Promotion)
        assert promotion.candidate_id == adapter.id
        assert promotion.wins + promotion.losses + promotion.ties == 3
        assert store.count(Score) == 2 * 3


def test_a_round_by_dpo_killed_in_training_ends_with_exact_counts(tmp_path: Path, problems: Path) -> None:
    line = command(tmp_path, "dpo", problems)
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    log = tmp_path / "dpo" / "logs" / "run.log"
    while not (log.exists() and "train begins" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(3)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    subprocess.run(line, cwd=ROOT, check=True, timeout=600)
    check_round(tmp_path / "dpo" / "run.db")
    subprocess.run(
        [sys.executable, "run_loop.py", "verify", "--runs-dir", str(tmp_path), "--run", "dpo"],
        cwd=ROOT,
        check=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def kto(tmp_path_factory: pytest.TempPathFactory, problems: Path) -> Path:
    """A runs folder with a round by KTO, `kto`."""
    runs = tmp_path_factory.mktemp("kto")
    line = command(runs, "kto", problems, "train.method=kto", "select.rule=random")
    subprocess.run(line, cwd=ROOT, check=True, timeout=600)
    return runs


def test_a_round_by_kto_with_pairs_of_another_rule_ends(kto: Path) -> None:
    check_round(kto / "kto" / "run.db")
    with Store.open(kto / "kto" / "run.db", read_only=True) as store:
        assert {pair.rule for pair in store.all(Pair)} == {"random"}
        assert {measured.rule for measured in store.all(Reliability)} == set(RULES)
        assert {step.reward_accuracy for step in store.all(TrainStep)} == {None}, "KTO knows no pairs"


def test_a_problem_of_the_run_is_tried_on_the_base_model_and_on_its_adapter(kto: Path) -> None:
    with Store.open(kto / "kto" / "run.db", read_only=True) as store:
        (adapter,) = store.all(Adapter)
    merged = kto / "kto" / "merged"
    before = sorted(path.name for path in merged.iterdir())
    line = ["try", "--runs-dir", str(kto), "--run", "kto", "--problem", "shout", "--adapter", adapter.id]
    done = subprocess.run(
        [sys.executable, "run_loop.py", *line, "--max-tokens", "48"],
        cwd=ROOT, check=False, timeout=300, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "asked: shout: Return the text s in upper case." in done.stdout
    answers = re.findall(r"^(base model|adapter \w+ \(round 1, \w+\))  (\d+) tokens? in ", done.stdout, re.MULTILINE)
    assert [0 < int(tokens) <= 48 for _, tokens in answers] == [True, True], done.stdout
    assert len(re.findall(r"^(passes|does not pass) the reference test|^no code", done.stdout, re.MULTILINE)) == 2
    assert sorted(path.name for path in merged.iterdir()) == before
