"""Copies of the database, and what is found wrong with one."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from state import StoreError, backup, repair
from state.records import Adapter, Promotion, Reply, Round, Run, Stage, TrainStep
from state.store import Store

from . import rows


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database of a small run."""
    file = tmp_path / "run.db"
    with Store.open(file, create=True) as store:
        store.add(*rows.one_of_each())
    return file


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(sql)
    connection.close()


def test_a_copy_made_while_the_database_is_in_use_is_one_private_file_that_holds_everything(path: Path) -> None:
    copy = path.parent / "backups" / "round-0001.db"
    with Store.open(path) as store:
        store.add(rows.problem(7))  # in the write-ahead log only
        store.snapshot(copy)
    assert [file.name for file in copy.parent.iterdir()] == ["round-0001.db"]
    assert copy.stat().st_mode & 0o777 == 0o600
    assert repair.faults(copy) == []
    assert repair.differences(copy, path) == repair.differences(path, copy) == {}
    assert repair.counts(copy) == repair.counts(path)


def test_a_damaged_database_does_not_push_out_its_last_good_copy(path: Path) -> None:
    copy = path.parent / "round-0001.db"
    with Store.open(path) as store:
        store.snapshot(copy)
    good = copy.read_bytes()
    data = bytearray(path.read_bytes())
    data[5 * 4096 : 9 * 4096] = b"\xff" * (4 * 4096)
    path.write_bytes(data)
    connection = sqlite3.connect(path)
    with pytest.raises(StoreError, match=r"run\.db is damaged .*recover --run"):
        backup.snapshot(connection, copy)
    connection.close()
    assert copy.read_bytes() == good
    assert not list(path.parent.glob("*.part*"))


def test_a_copy_takes_the_place_of_a_database(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store:
        store.snapshot(tmp_path / "copy.db")
    backup.restore(tmp_path / "copy.db", tmp_path / "new" / "run.db")
    assert (tmp_path / "new" / "run.db").stat().st_mode & 0o777 == 0o600
    with Store.open(tmp_path / "new" / "run.db") as store:
        assert store.count(Run) == 1


def test_a_whole_database_has_no_faults(path: Path) -> None:
    assert repair.faults(path) == []


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("PRAGMA application_id = 7", "no run database"),
        ("DELETE FROM runs", "runs"),
        ("DELETE FROM samples", "samples"),
    ],
)
def test_what_a_run_cannot_go_on_with_is_a_fault(path: Path, sql: str, fault: str) -> None:
    change(path, sql)
    assert fault in repair.faults(path)[0]


def test_a_database_without_its_run_is_a_fault(path: Path) -> None:
    with Store.open(path.with_name("empty.db"), create=True):
        pass
    assert repair.faults(path.with_name("empty.db")) == ["the run's own row is gone"]


@pytest.mark.parametrize("content", [None, b"", b"x" * 9000])
def test_a_file_that_is_no_database_is_a_fault(path: Path, content: bytes | None) -> None:
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert len(repair.faults(path)) == 1


def test_a_database_of_a_newer_program_is_not_called_damaged(path: Path) -> None:
    change(path, "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('selfplay', '9999_x', '')")
    with pytest.raises(StoreError, match="newer version"):
        repair.faults(path)


def test_a_changed_text_and_a_missing_row_are_told_from_what_may_change(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    with Store.open(path) as store:
        store.snapshot(copy)
        store.add(rows.problem(9))
    change(path, "UPDATE rounds SET finished_at = 'later'")
    change(path, "UPDATE adapters SET path = NULL")
    change(path, "UPDATE runs SET rounds = 9")
    assert repair.differences(path, copy) == {}
    change(path, "UPDATE problems SET entry_point = 'bdd' WHERE position = 0")
    assert repair.differences(path, copy) == {"problems": 1}
    change(path, "UPDATE problems SET entry_point = 'add' WHERE position = 0")
    change(path, "UPDATE replies SET text = text || '?' WHERE rowid = 1")
    change(path, "DELETE FROM train_steps WHERE rowid = 1")
    assert repair.differences(path, copy) == {"replies": 1, "train_steps": 1}


def test_counting_leaves_out_what_cannot_be_read(path: Path, tmp_path: Path) -> None:
    assert repair.counts(path)["runs"] == 1
    assert repair.counts(tmp_path / "nothing.db") == {}
    (tmp_path / "rubbish.db").write_bytes(b"x" * 9000)
    assert repair.counts(tmp_path / "rubbish.db") == {}


def test_a_run_is_taken_back_to_before_a_round_was_trained(path: Path) -> None:
    before = repair.counts(path)
    repair.rewind(path, 1)
    with Store.open(path) as store:
        (turn,) = store.all(Round)
        assert (turn.number, turn.finished_at, turn.outcome) == (1, None, None)
        assert store.count(Adapter) == store.count(Promotion) == store.count(TrainStep) == 0
        assert not {stage.name for stage in store.all(Stage)} & {"train", "benchmark", "gate"}
    after = repair.counts(path)
    kept = ("problems", "replies", "samples", "executions", "matrices", "pairs", "reliability", "scores")
    assert {table: after[table] for table in kept} == {table: before[table] for table in kept}
    assert repair.faults(path) == []


def test_of_rounds_after_it_nothing_stays(path: Path) -> None:
    later, code = rows.turn(2, champion="adapter-round1"), rows.reply(round_id="round2")
    with Store.open(path) as store:
        before = repair.counts(path)
        store.add(later, rows.stage(round_id="round2"), code, rows.sample(code), rows.adapter("round2"))
    repair.rewind(path, 2)
    with Store.open(path) as store:
        assert [turn.champion_id for turn in store.all(Round)] == [None, "adapter-round1"]
        assert (store.count(Adapter), store.count(Reply, round_id="round2")) == (1, 1)
    repair.rewind(path, 1)
    after = repair.counts(path)
    assert {table for table in after if after[table] != before[table]} == {"adapters", "promotions", "train_steps"}
    assert repair.faults(path) == []
