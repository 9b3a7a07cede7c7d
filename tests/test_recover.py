"""Damaged runs: whatever is damaged, the run goes on from what is whole, and says what is lost."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from selfplay import commands
from selfplay.recover import recover
from selfplay.retention import backup_round, backups
from state import repair
from state.records import Adapter, Promotion, Reply, Round
from state.store import Store
from tests import scripted_loop
from tests.tables import rows
from tests.test_cli import command
from tests.test_retention import PROMOTING, SKILL
from tests.test_rounds import ROOT

ROUNDS = 3
SETTINGS = (*PROMOTING, "keep.rejected=9", "benchmark.limit=16")


def play(runs: Path, rounds: int = ROUNDS) -> int:
    return scripted_loop.run(runs, "a", rounds, overrides=SETTINGS, adapter_skill=SKILL)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an undisturbed run of three rounds; the first promoted its candidate."""
    runs = tmp_path_factory.mktemp("whole")
    assert play(runs) == 0
    return runs / "a"


@pytest.fixture
def damaged(tmp_path: Path, whole: Path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "runs" / "a"))


def assert_plays_on_like(whole: Path, damaged: Path) -> None:
    """Finish a recovered run; it must hold what the undisturbed one holds, and every pair must be true."""
    assert play(damaged.parent) == 0
    assert rows(damaged / "run.db") == rows(whole / "run.db")
    assert commands.verify_pairs("a", damaged.parent) == 0


def listing(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in {"lock", "owner", "run.db-shm", "run.db-wal"}
    }


def test_a_whole_run_is_left_as_it_is(damaged: Path) -> None:
    before = listing(damaged)
    assert recover(damaged)[-1] == "Nothing is damaged, and nothing was changed."
    assert listing(damaged) == before


def assert_holds_nothing_but_truth(damaged: Path, whole: Path) -> None:
    """A run goes on with the database, and it holds what the undisturbed one holds, times included."""
    assert repair.faults(damaged / "run.db") == []
    assert repair.differences(whole / "run.db", damaged / "run.db") == {}
    assert rows(damaged / "run.db") == rows(whole / "run.db")


def test_a_database_that_was_cut_anywhere_is_replaced_by_its_copy_and_kept_aside(whole: Path, tmp_path: Path) -> None:
    data = (whole / "run.db").read_bytes()
    chance = random.Random(1)  # noqa: S311
    sizes = [0, 1, 16, 99, 100, 1024, 4095, 4096, 4097, 8192, len(data) // 2, len(data) - 4096, len(data) - 1]
    sizes += [chance.randrange(len(data)) for _ in range(6)]
    for size in sizes:
        folder = Path(shutil.copytree(whole, tmp_path / f"cut-{size}" / "a"))
        (folder / "run.db").write_bytes(data[:size])
        said = "\n".join(recover(folder))
        if size <= len(data) - 4096:  # a byte or so of the last page may mean nothing
            assert "The copy made after round 3" in said, (size, said)
            (aside,) = (folder / "damaged").glob("*/run.db")
            assert aside.read_bytes() == data[:size]
        assert_holds_nothing_but_truth(folder, whole)
        with Store.open(folder / "run.db") as store:
            assert store.count(Promotion) == ROUNDS


def test_flipped_bytes_anywhere_are_found_or_harmless(whole: Path, tmp_path: Path) -> None:
    data = (whole / "run.db").read_bytes()
    chance, replaced = random.Random(2), 0  # noqa: S311
    for number in range(40):
        folder = Path(shutil.copytree(whole, tmp_path / f"flip-{number}" / "a"))
        bad = bytearray(data)
        for _ in range(chance.choice((1, 1, 4))):
            bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
        (folder / "run.db").write_bytes(bad)
        said = "\n".join(recover(folder))
        replaced += "is in its place" in said
        assert_holds_nothing_but_truth(folder, whole)
        with Store.open(folder / "run.db") as store:
            assert store.count(Promotion) == ROUNDS, said
    assert replaced > 20, "most bytes of a database mean something"


def cut(folder: Path) -> None:
    data = (folder / "run.db").read_bytes()
    (folder / "run.db").write_bytes(data[: len(data) // 3])
    backups(folder)[0].unlink()  # what is left is older by a round


def overwrite(folder: Path) -> None:
    data = bytearray((folder / "run.db").read_bytes())
    for page in range(3, len(data) // 4096, 7):
        data[page * 4096 : page * 4096 + 512] = b"\xff" * 512
    (folder / "run.db").write_bytes(data)
    newest = backups(folder)[0]
    newest.write_bytes(newest.read_bytes()[:5000])  # the newest copy is damaged as well


def delete(folder: Path) -> None:
    (folder / "run.db").unlink()
    backups(folder)[0].unlink()


@pytest.mark.parametrize("harm", [cut, overwrite, delete])
def test_after_recovery_the_same_command_ends_like_an_undisturbed_run(
    damaged: Path, whole: Path, harm: Callable[[Path], None]
) -> None:
    harm(damaged)
    said = "\n".join(recover(damaged))
    assert "The copy made after round 2" in said
    assert "adapters/round-0003" in said, "what a later round left is set aside"
    assert_plays_on_like(whole, damaged)


def test_a_lost_write_ahead_log_is_noticed(tmp_path: Path, whole: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.scripted_loop", str(tmp_path), "a", str(ROUNDS), "0.05", str(SKILL), *SETTINGS],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    log = tmp_path / "a" / "logs" / "run.log"
    while not (log.exists() and "round 2: judge begins" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    folder = tmp_path / "a"
    assert (folder / "run.db-wal").stat().st_size > 0
    for name in ("run.db-wal", "run.db-shm"):
        (folder / name).unlink()
    said = "\n".join(recover(folder))
    assert "run.db is damaged" in said
    assert "The copy made after round 1" in said
    assert_plays_on_like(whole, folder)


@pytest.mark.parametrize("torn", [True, False])
def test_without_its_champions_adapter_a_run_goes_back_to_before_it_was_trained(
    damaged: Path, whole: Path, torn: bool
) -> None:
    with Store.open(damaged / "run.db") as store:
        champion = store.all(Promotion, promoted=True)[-1]
        number = store.get(Round, champion.round_id)
        adapter = store.get(Adapter, str(champion.candidate_id))
        replies = store.count(Reply, round_id=champion.round_id)
    assert number is not None
    assert adapter is not None
    assert adapter.path is not None
    if torn:
        file = damaged / adapter.path / "adapter_model.safetensors"
        file.write_bytes(file.read_bytes()[:10])
    else:
        shutil.rmtree(damaged / adapter.path)
    said = "\n".join(recover(damaged))
    assert f"The adapter of round {number.number} is lost" in said
    assert all(backup_round(copy) < number.number for copy in backups(damaged))
    with Store.open(damaged / "run.db") as store:
        assert [turn.number for turn in store.all(Round)] == list(range(1, number.number + 1))
        assert store.count(Reply, round_id=champion.round_id) == replies
    assert_plays_on_like(whole, damaged)


def test_an_adapter_that_nothing_needs_is_only_noted(damaged: Path) -> None:
    with Store.open(damaged / "run.db") as store:
        promoted = {promotion.candidate_id for promotion in store.all(Promotion, promoted=True)}
        adapter = next(adapter for adapter in store.all(Adapter) if adapter.path and adapter.id not in promoted)
    assert adapter.path is not None
    (damaged / adapter.path / "adapter_config.json").unlink()
    assert "is lost; nothing needs it" in "\n".join(recover(damaged))
    with Store.open(damaged / "run.db") as store:
        found = store.get(Adapter, adapter.id)
        assert found is not None
        assert found.path is None
        assert found.sha256 == adapter.sha256
    assert list((damaged / "damaged").glob(f"*/{adapter.path}/adapter_model.safetensors"))


def test_half_written_files_are_out_of_the_way(damaged: Path) -> None:
    point = damaged / "work" / "round-0004" / "checkpoint-2"
    point.mkdir(parents=True)
    (point / "whole.json").write_text('{"identity": "x", "ste')
    whole_point = point.with_name("checkpoint-1")
    whole_point.mkdir()
    (whole_point / "whole.json").write_text(json.dumps({"identity": "x", "steps": []}))
    (damaged / "run.db.part").write_text("half")
    (damaged / "backups" / "round-0004.db.part").write_text("half")
    (damaged / "merged" / "half").mkdir()
    said = "\n".join(recover(damaged))
    assert "work/round-0004/checkpoint-2" in said
    assert "merged weights (half)" in said
    assert not point.exists()
    assert whole_point.exists()
    assert not list(damaged.glob("*.part"))
    assert not list((damaged / "backups").glob("*.part"))
    assert not (damaged / "merged" / "half").exists()


def test_without_a_whole_copy_the_run_begins_anew_and_nothing_is_deleted(damaged: Path, whole: Path) -> None:
    bad = b"x" * 8192
    for path in (damaged / "run.db", *backups(damaged)):
        path.write_bytes(bad)
    said = "\n".join(recover(damaged))
    assert "begins it anew" in said
    assert len(list((damaged / "damaged").glob("*/backups/*.db"))) == 2
    assert not (damaged / "run.db").exists()
    assert_plays_on_like(whole, damaged)


def test_a_recovery_that_was_killed_half_way_is_repeated(damaged: Path, whole: Path) -> None:
    (damaged / "run.db").unlink()  # set aside, and its copy not yet in place
    (damaged / "run.db.part").write_text("half")
    assert "it is gone" in "\n".join(recover(damaged))
    assert_holds_nothing_but_truth(damaged, whole)


def test_the_commands_name_the_way_out_and_it_works(damaged: Path) -> None:
    cut(damaged)
    runs = ("--runs-dir", str(damaged.parent), "--run", "a")
    status = command("status", *runs)
    assert status.returncode == 3
    assert "recover --run a" in " ".join(status.stderr.split())
    done = command("recover", *runs)
    assert done.returncode == 0, done.stderr
    assert "Lost is what was done after that" in done.stdout or "can no longer be read" in done.stdout
    assert "Continue with the same command" in done.stdout
    assert command("status", *runs).returncode == 0


def test_a_run_in_use_and_a_run_that_is_not_there_are_refused(damaged: Path) -> None:
    with FileLock(damaged / "lock"):
        busy = command("recover", "--runs-dir", str(damaged.parent), "--run", "a")
    assert busy.returncode == 2
    assert "in use" in busy.stderr
    absent = command("recover", "--runs-dir", str(damaged.parent), "--run", "b")
    assert absent.returncode == 2
    assert not (damaged.parent / "b").exists()
