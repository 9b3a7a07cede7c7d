"""Sums, the newest record, and reads that see one moment."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from state.records import Problem, Reply, Score
from state.store import Store
from tests.state import rows


def test_a_sum_is_over_the_records_asked_for_and_0_where_there_are_none(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(rows.run(), rows.problem(), rows.turn(), rows.reply(), rows.reply(position=1), rows.reply("test"))
        assert store.total(Reply, "tokens") == 36
        assert store.total(Reply, "tokens", round_id="round1", kind="code") == 24
        assert store.total(Reply, "tokens", kind="nothing") == 0
        with pytest.raises(TypeError, match="replies has no field letters"):
            store.total(Reply, "letters")


def test_the_newest_is_what_was_stored_last_whatever_its_id(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        assert store.newest(Score) is None
        for task in (2, 0, 1):
            store.add(rows.score(task, passed=task == 1))
        newest = store.newest(Score)
        assert newest is not None
        assert (newest.task_id, newest.passed) == ("0001", True)
        assert store.newest(Score, passed=False) == store.get(Score, "base-humaneval-0")


def test_reads_of_one_moment_do_not_see_what_is_written_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with Store.open(path, create=True) as writer, Store.open(path, read_only=True) as reader:
        writer.add(rows.problem(0))
        with reader.one_moment():
            assert reader.count(Problem) == 1
            writer.add(dataclasses.replace(rows.problem(1), position=1))
            assert reader.count(Problem) == 1
        assert reader.count(Problem) == 2
