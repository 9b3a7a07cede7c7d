"""Watching a run from another terminal: it shows the run, leaves it alone, and ends with it."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import FileLock
from rich.console import Console
from typer.testing import CliRunner

from run_loop import app
from selfplay import watch
from selfplay.errors import UserError
from selfplay.snapshot import StageLine
from tests.test_dashboard import SNAPSHOT, change, turn

ROOT = Path(__file__).parent.parent


def test_a_finished_run_is_shown_once(promoted: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--run", "a", "--runs-dir", str(promoted)], env={"COLUMNS": "80"})
    assert done.exit_code == 0
    assert re.search(r"^a +smollm2-135m +smoke +sandbox \w+ +round 2 of 2 ", done.output)
    assert "✓ gate" in done.output
    assert "champion  round 1   humaneval" in done.output
    assert done.output.rstrip().endswith(
        "all 2 rounds are finished; the same command with a larger --rounds plays more"
    )
    assert "\x1b" not in done.output
    assert max(map(len, done.output.splitlines())) <= 80


def test_a_run_that_is_not_there_is_a_mistake_and_no_folder_is_made(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["watch", "--run", "nobody", "--runs-dir", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert not (tmp_path / "runs").exists()


def test_the_owner_is_who_has_the_lock_open(tmp_path: Path) -> None:
    assert watch.owner(tmp_path) is None
    (tmp_path / "owner").write_text(str(os.getpid()))
    (tmp_path / "lock").touch()
    assert watch.owner(tmp_path) is None, "a number alone proves nothing: it may have been given to another process"
    with FileLock(tmp_path / "lock"):
        process = watch.owner(tmp_path)
        assert process is not None
        assert process.pid == os.getpid()
    assert watch.owner(tmp_path) is None
    (tmp_path / "owner").write_text("not a number")
    assert watch.owner(tmp_path) is None


def test_a_run_under_way_is_followed_to_its_end_and_not_disturbed(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "tests.scripted_loop", str(runs), "a", "1", "0.05"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as loop:
        try:
            deadline = time.monotonic() + 60
            while watch.owner(runs / "a") is None or not (runs / "a" / "run.db").exists():
                assert loop.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            file = io.StringIO()
            follow(runs, Console(file=file, width=80))
            assert loop.wait(30) == 0, loop.stderr.read() if loop.stderr else ""
        finally:
            loop.kill()
    lines = file.getvalue().splitlines()
    clock = r"\d\d:\d\d:\d\d "
    for stage in ("judge", "train", "benchmark", "gate"):
        assert sum(bool(re.match(f"{clock}round 1: {stage} done", line)) for line in lines) == 1, lines
    assert sum(bool(re.match(f"{clock}round 1: kept: .*", line)) for line in lines) == 1
    assert lines[-1] == "the only round is finished; the same command with a larger --rounds plays more"


def follow(runs: Path, console: Console) -> None:
    """Watch until the run has a row in its database, then to its end."""
    while True:
        try:
            watch._watch("a", runs, console, 0.1)
        except UserError:  # its database has no row yet
            time.sleep(0.05)
        else:
            return


def test_a_reader_that_goes_away_is_no_failure(promoted: Path) -> None:
    command = [sys.executable, "run_loop.py", "watch", "--run", "a", "--runs-dir", str(promoted)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines_are_whole_and_plain(encoding: str) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    console = Console(file=file, width=40)
    console.print(watch._Line(f"{'long ' * 30}→ \x1b[2J[red]"), soft_wrap=True)
    file.seek(0)
    (line,) = file.read().splitlines()
    assert line.startswith("long long")
    assert line.endswith("→  [2J[red]" if encoding == "utf-8" else ">  [2J[red]")


def test_a_line_tells_each_stage_that_ended_and_each_decision_once() -> None:
    before = SNAPSHOT
    stages = tuple(
        dataclasses.replace(line, state="done", rate="140 tokens/s", wall_s=61.0) if line.name == "code" else line
        for line in before.stages
    )
    after = change(stages=stages)
    assert list(watch.changes(before, after)) == ["round 9: code done in 1 min 01 s, 140 tokens/s"]
    assert list(watch.changes(after, after)) == []
    decided = change(stages=stages, overviews=(*before.overviews[:-1], turn(9, "promoted")))
    assert list(watch.changes(after, decided)) == ["round 9: reason of round 9"]
    next_round = change(round_number=10, stages=(StageLine(name="problems", state="done", wall_s=0.1),))
    assert next(watch.changes(after, next_round)) == "round 10: problems done in 0.1 s"


def test_what_is_under_way_is_told_with_its_speed_and_what_is_left() -> None:
    assert list(watch.under_way(SNAPSHOT)) == [
        "round 9: code 8 of 32 problems, 142 tokens/s, 3 min left",
        "round 9: judge 3 problems",
    ]


def test_nothing_is_under_way_in_a_run_that_nobody_plays() -> None:
    idle = watch._idle(SNAPSHOT)
    assert {line.state for line in idle.stages} == {"done", "pending"}
    assert "nobody plays" in idle.message
