"""BigCodeBench: what is asked, what stands before an answer, and tests that patch what the answer uses."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest

from sandbox import Status
from selfplay import benchmark_files
from selfplay.benchmark import load
from selfplay.benchmark_files import DataFile
from selfplay.benchmark_task import Task, extract
from selfplay.errors import UserError
from selfplay.grading import Grader

CODE_PROMPT = "import random\nLETTERS = 'ab'\ndef task_func(count):\n"
SOLUTION = "    return ''.join(random.choice(LETTERS) for _ in range(count))\n"
TEST = """\
import unittest
from unittest.mock import patch
class TestCases(unittest.TestCase):
    @patch("random.choice")
    def test_draws(self, choice):
        choice.return_value = "z"
        self.assertEqual(task_func(3), "zzz")
        self.assertEqual(choice.call_count, 3)
"""
ROW = {
    "task_id": "BigCodeBench/0",
    "complete_prompt": CODE_PROMPT + '    """\n    Draw letters.\n    """\n',
    "instruct_prompt": "Draw letters.\nYou should write self-contained code.",
    "canonical_solution": SOLUTION,
    "code_prompt": CODE_PROMPT,
    "test": TEST,
    "entry_point": "task_func",
    "libs": "['random']",
}


def tasks(monkeypatch: pytest.MonkeyPatch, folder: Path, name: str, *changes: dict[str, str]) -> tuple[Task, ...]:
    """Return the tasks of a file that holds the row above with these changes."""
    content = gzip.compress("".join(json.dumps(ROW | change) + "\n" for change in changes).encode(), mtime=0)
    (folder / "tiny.jsonl.gz").write_bytes(content)
    file = DataFile(name="tiny.jsonl.gz", sha256=hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(benchmark_files, "BIGCODEBENCH_HARD" if "hard" in name else "BIGCODEBENCH", file)
    return load(name, data_dir=folder)


@pytest.mark.parametrize("hard", ["", "hard_"])
def test_complete_shows_code_and_instruct_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard: str) -> None:
    (complete,) = tasks(monkeypatch, tmp_path, f"bigcodebench_{hard}complete", {})
    (instruct,) = tasks(monkeypatch, tmp_path, f"bigcodebench_{hard}instruct", {})
    opening = (
        "Please provide a self-contained Python script that solves the following problem in a markdown code block:\n"
    )
    assert complete.messages[0]["content"] == f"{opening}```\n{ROW['complete_prompt'].strip()}\n```\n"
    assert instruct.messages[0]["content"] == f"{opening}{ROW['instruct_prompt']}\n"


def test_a_task_needs_what_its_solution_and_test_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = tasks(
        monkeypatch,
        tmp_path,
        "bigcodebench_complete",
        {},
        {"libs": "['random', 'pandas']"},
        {"canonical_solution": "    from scipy.stats import norm\n" + SOLUTION},
        {"test": "import numpy as np\n" + TEST},
    )
    assert [task.needs for task in found] == [(), ("pandas",), ("scipy",), ("numpy",)]


def test_a_task_without_cases_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"tiny\.jsonl\.gz: task BigCodeBench/0 has no tests"):
        tasks(monkeypatch, tmp_path, "bigcodebench_complete", {"test": "import unittest\n"})


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (f"{CODE_PROMPT}{SOLUTION}", Status.PASSED),
        (f"def task_func(count):\n{SOLUTION}", Status.PASSED),  # the prompt's imports and constants stand before it
        ("def task_func(count):\n    return 'zzz'\n", Status.FAILED),
    ],
)
def test_patches_reach_the_answer(
    grader: Grader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reply: str, status: Status
) -> None:
    (task,) = tasks(monkeypatch, tmp_path, "bigcodebench_complete", {})
    verdict = grader.run(task, extract(task, reply))
    assert (verdict.status, verdict.trust) == (status, "in_process"), verdict.detail
