"""How long a program is waited for, and how often."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status, Verdict
from selfplay.benchmark import load
from selfplay.benchmark_task import Task
from selfplay.evalplus import test_text as text_of_test
from selfplay.grading import Grader

TASK = load("humaneval", limit=1)[0]
RIGHT = Verdict(status=Status.PASSED, trust="split", wall_s=0.1, cpu_s=0.1, peak_rss_bytes=1)
SLOW = dataclasses.replace(RIGHT, status=Status.EXCEPTION, detail="TooSlow: one input took too long")
WRONG = dataclasses.replace(RIGHT, status=Status.FAILED, detail="AssertionError: no TooSlow: here")


class Scripted(Grader):
    """Gives the verdicts of a script."""

    def __init__(self, box: Sandbox, *script: Verdict) -> None:
        super().__init__(box, 10.0)
        self.script = list(script)
        self.tests: list[str] = []

    def run_once(self, task: Task, source: str, test: str) -> Verdict:
        self.tests.append(test)
        return self.script.pop(0)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    try:
        opened = Sandbox(workers=1, limits=Limits(wall_s=4.0, cpu_s=4))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("script", "status", "left"),
    [
        ([RIGHT, WRONG], Status.PASSED, 1),
        ([WRONG, RIGHT], Status.FAILED, 1),
        ([SLOW, RIGHT], Status.PASSED, 0),
        ([SLOW, WRONG], Status.FAILED, 0),
        ([SLOW, SLOW, RIGHT], Status.TIMEOUT, 1),
    ],
)
def test_too_slow_counts_the_second_time(box: Sandbox, script: list[Verdict], status: Status, left: int) -> None:
    grader = Scripted(box, *script)
    assert grader.run(TASK, "").status is status
    assert len(grader.script) == left


@pytest.mark.isolation
@pytest.mark.parametrize(("note", "first_is_whole"), [("", True), ("[]", False)])
def test_what_was_too_slow_for_the_quick_test_is_put_to_the_whole_one(
    box: Sandbox, note: str, first_is_whole: bool
) -> None:
    row = {"task_id": "Tiny/0", "entry_point": "f", "atol": 0, "base_input": [[1]], "plus_input": []}
    text = text_of_test(row, reference="def f(x): return x", oracle="equal", convert=list, file="tiny")
    task = dataclasses.replace(TASK, entry_point="f", test=text)
    grader = Scripted(box, SLOW, RIGHT)
    grader.learn(task, note)
    assert grader.run(task, "").passed
    assert [test == text for test in grader.tests] == [first_is_whole, True]


@pytest.mark.isolation
def test_a_task_has_the_time_of_its_benchmark_or_the_longest_if_that_is_less(box: Sandbox) -> None:
    wait = f"import time\ntime.sleep(1.2)\n{TASK.canonical}"
    quick = dataclasses.replace(TASK, wall_s=0.6)
    patient, hasty = Grader(box, 10.0), Grader(box, 0.6)
    assert patient.run(TASK, wait).status is Status.PASSED
    assert patient.run(quick, wait).status is Status.TIMEOUT
    assert hasty.run(TASK, wait).status is Status.TIMEOUT
    patient.close()
    hasty.close()
