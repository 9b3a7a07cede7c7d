"""A run whose problem file is gone, or lies elsewhere: what the problems say counts, not where."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from selfplay import commands, problems
from state.records import Pair, Problem
from state.store import Store
from tests import scripted_loop

BASICS = problems.TASKS / "basics.jsonl"


def lines(count: int) -> str:
    return "".join(line + "\n" for line in BASICS.read_text(encoding="utf-8").splitlines()[:count])


def plays(runs: Path, source: Path, rounds: int) -> int:
    return commands.guarded(lambda: scripted_loop.run(runs, "a", rounds, overrides=(f"problems.source={source}",)))


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A file of problems, with which a run has played a round."""
    file = tmp_path / "there" / "mine.jsonl"
    file.parent.mkdir()
    file.write_text(lines(8), encoding="utf-8")
    assert plays(tmp_path / "runs", file, 1) == 0
    return file


def test_a_run_goes_on_without_its_file(mine: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    runs = tmp_path / "here" / "runs"
    shutil.move(tmp_path / "runs", runs)
    mine.unlink()
    assert plays(runs, mine, 2) == 0
    assert plays(runs, tmp_path / "here" / "mine.jsonl", 3) == 0
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        assert store.count(Problem) == 8
        assert [turn.pairs > 0 for turn in store.rounds_overview()] == [True, True, True]
        assert store.count(Pair) > 0


def test_a_run_goes_on_with_its_file_elsewhere_under_any_name(mine: Path, tmp_path: Path) -> None:
    assert plays(tmp_path / "runs", mine.rename(tmp_path / "other.jsonl"), 2) == 0


def test_another_file_is_refused_wherever_it_lies(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (mine, tmp_path / "mine.jsonl"):
        place.write_text(lines(9), encoding="utf-8")
        assert plays(tmp_path / "runs", place, 2) == commands.USER
        assert "problems or benchmark data" in capsys.readouterr().err.replace("\n", " ")


def test_a_file_that_is_not_there_and_was_never_the_runs_is_refused(
    mine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plays(tmp_path / "runs", mine.with_name("mien.jsonl"), 2) == commands.USER
    assert "mien.jsonl: no such file" in capsys.readouterr().err.replace("\n", " ")


def test_a_problem_is_as_it_was_read_whatever_a_model_has_added(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"prompt": "Add two numbers."}\n' + lines(1), encoding="utf-8")
    nameless, named = problems.load(str(file))
    near = replace(nameless, dropped="near humaneval/0")
    assert problems.as_read(replace(nameless, signature="def f(a):", entry_point="f")) == nameless
    assert problems.as_read(replace(nameless, dropped=problems.NO_SIGNATURE)) == nameless
    assert problems.as_read(near) == near
    assert problems.as_read(named) == named
    assert problems.data_sha256([near]) != problems.data_sha256([nameless])
