"""A few of bench.chaos's kills, and that its checks see what they are for."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.chaos import Lane, plan, table
from bench.invariants import violations
from tests import remains, scripted_loop
from tests.chaos import Outcome, Result, Scenario, differences
from tests.chaos_start import Kill, Victim, expected
from tests.leftovers import orphans_adopted
from tests.points import Death

PASSAGES = [
    f"{process}\t{kind}\t{number}\tplace"
    for process, kinds in (
        ("loop", ("begin", "commit", "close", "rename", "fsync", "rmtree", "spawn", "stage")),
        ("trainer-1", ("rename", "fsync", "rmtree")),
    )
    for kind in kinds
    for number in (1, 2)
]


def death(kind: str, number: int, when: str, process: str = "loop", *, parent: bool = False) -> Kill:
    return Kill(death=Death(process=process, kind=kind, number=number, when=when, parent=parent))  # type: ignore[arg-type]


def outside(victim: Victim, *signals: int, passages: int) -> Kill:
    return Kill(victim=victim, signals=signals, passages=passages)


KILLS: dict[str, tuple[Kill, ...]] = {
    "after a commit in the middle of a round, and before one of the next start": (
        death("commit", 30, "after"),
        death("commit", 9, "before"),
    ),
    "trainer and orchestrator before the adapter's rename": (death("rename", 3, "before", "trainer-2", parent=True),),
    "the trainer alone after a flush": (death("fsync", 4, "after", "trainer-1"),),
    "everything, while a problem is judged": (outside("tree", signal.SIGKILL, passages=240),),
    "a jail, then the model process": (outside("jail", signal.SIGKILL, passages=60),),
    "a jail that has just been started": (outside("jail", signal.SIGKILL, passages=1),),
    "the model process": (outside("worker", signal.SIGKILL, passages=45),),
    "SIGTERM": (outside("loop", signal.SIGTERM, passages=120),),
}


@pytest.fixture(scope="module")
def lane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lane]:
    """A lane that has played its undisturbed run."""
    lane = Lane(tmp_path_factory.mktemp("chaos") / "lane")
    assert len(lane.read()["passages"]) > 250
    yield lane
    lane.close()


@pytest.mark.isolation
@pytest.mark.parametrize("what", KILLS)
def test_a_killed_run_ends_like_an_undisturbed_one_and_leaves_nothing(lane: Lane, what: str) -> None:
    kills = KILLS[what]
    outcome = lane.play(Scenario(number=1 + list(KILLS).index(what), group=what, kills=kills))
    assert outcome.exact, outcome
    assert outcome.missed == 0
    assert all(code in expected(kill) for code, kill in zip(outcome.codes, [*kills, None], strict=False)), outcome.codes


def test_the_plan_kills_before_and_after_every_passage() -> None:
    deaths = [kill.death for scenario in plan(PASSAGES, 1) for kill in scenario.kills if kill.death is not None]
    for line in PASSAGES:
        process, kind, number, _ = line.split("\t")
        found = {(d.when, d.parent) for d in deaths if (d.process, d.kind, d.number) == (process, kind, int(number))}
        wanted = {("before", False), ("after", False)}
        if kind in ("begin", "stage"):  # what comes before the one comes after its neighbour
            wanted &= {("before", False)} if kind == "stage" else set()
        if process != "loop":
            wanted |= {("before", True), ("after", True)}
        assert found == wanted, line


def test_a_plan_depends_on_its_seed_alone() -> None:
    assert plan(PASSAGES, 1) == plan(PASSAGES, 1) != plan(PASSAGES, 2)


def test_a_scenario_survives_being_written_down() -> None:
    for scenario in plan(PASSAGES, 1):
        assert Scenario.of(dataclasses.asdict(scenario)) == scenario


def test_lost_doubled_and_changed_rows_and_files_are_told() -> None:
    want = Result(tables={"t": [("a", 1), ("b", 2)]}, files=("run.db", "adapters/x 12"))
    got = Result(tables={"t": [("a", 1), ("a", 1), ("b", 3)]}, files=("run.db", "adapters/x 13"))
    assert differences(want, want) == ([], [])
    lost, more = differences(want, got)
    assert lost == ["t: ('b', 2)", "file adapters/x 12"]
    assert more == ["t: ('a', 1)", "t: ('b', 3)", "file adapters/x 13"]


def test_a_process_a_file_and_a_lock_that_remain_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remains, "PATIENCE_S", 0.1)
    temporary, run = tmp_path / "tmp", tmp_path / "run"
    temporary.mkdir()
    run.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    before = remains.seen(private=())
    with orphans_adopted():
        earlier = remains.left_behind(run, before, private=())  # the lane of other tests
        line = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
        subprocess.run([sys.executable, "-c", line], check=True)  # its child is nobody's now
        (temporary / "left").write_text("")
        with (run / "lock").open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            found = [what for what in remains.left_behind(run, before, private=()) if what not in earlier]
        os.kill(int(found[0].split()[1].rstrip(":")), signal.SIGKILL)
    assert [line.split()[0] for line in found] == ["process", "file", "lock"]


def test_the_table_counts_runs_kills_and_what_is_amiss() -> None:
    good = Outcome(number=1, group="g", places=["train", "judge"], codes=[-9, -9, 0])
    bad = Outcome(number=2, group="g", places=["train"], codes=[-9, 0], lost=["t: 1"], left=["process 3"])
    rows = [line.split() for line in table([good, bad], by_place=False)]
    assert rows[1] == ["g", "2", "3", "1", "1", "0", "1"]
    stages = {row[0]: row[1:] for row in (line.split() for line in table([good, bad], by_place=True))}
    assert stages["train"] == ["2", "2", "1", "1", "0", "1"]
    assert stages["judge"] == ["1", "1", "1", "0", "0", "0"]


# -- invariants -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run in which an adapter was promoted."""
    runs = tmp_path_factory.mktemp("finished")
    overrides = ("problems.per_round=2", "benchmark.limit=4", "gate.alpha=0.9")
    tools = scripted_loop.process_tools(0.0, 0.9, None)
    assert scripted_loop.run(runs, "a", 1, 0.0, overrides, 0.9, tools) == 0
    return runs / "a"


def test_nothing_is_amiss_in_a_finished_run(finished: Path) -> None:
    assert violations(finished) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("DELETE FROM replies WHERE kind = 'code' AND position = 3", "code replies [0, 1, 2], wanted 4"),
        ("DELETE FROM executions WHERE rowid = (SELECT min(rowid) FROM executions WHERE role = 'cell')", "cells of"),
        ("UPDATE executions SET status = 'failed' WHERE role = 'cell'", "and the execution of"),
        ("UPDATE matrices SET passed = replace(passed, '0', '1')", "the matrices give"),
        ("UPDATE pairs SET chosen_code_id = rejected_code_id", "is not what the matrix and the seed give"),
        ("UPDATE adapters SET sha256 = 'other'", "the row's other"),
        ("DELETE FROM train_steps WHERE step = 2", "steps [1, 3, 4], wanted 4"),
        ("DELETE FROM scores WHERE task_id = 'HumanEval/1'", "3 scores of humaneval, wanted 4"),
        ("UPDATE rounds SET finished_at = NULL", "is not finished"),
        ("DELETE FROM stages WHERE name = 'select'", "stages {"),
        ("DELETE FROM promotions", "not one decision"),
    ],
)
def test_every_invariant_is_seen_to_break(tmp_path: Path, finished: Path, damage: str, told: str) -> None:
    folder = tmp_path / "a"
    shutil.copytree(finished, folder)
    with sqlite3.connect(folder / "run.db", isolation_level=None) as connection:
        assert connection.execute(damage).rowcount > 0
    connection.close()
    assert any(told in line for line in violations(folder)), violations(folder)
