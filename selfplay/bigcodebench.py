"""BigCodeBench (Zhuo et al. 2024, arXiv:2406.15877), version 0.1.4, whole and hard, complete and instruct.

Asked with bigcodebench 0.2.5's own prompts. As in its default ("calibrated"), the code of the prompt stands before the
answer: its imports, and the function without a body, which the answer defines again.

The tests are unittest classes that patch what the candidate uses. Apart from it the patches would do nothing, so that
they run in its process, and every verdict is `in_process`. Most tasks use third-party packages, and the sandbox has
none: such a task cannot be scored and is left out of every score, which says how many were.

Deviations are numbered in `selfplay.benchmark`.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from selfplay import benchmark_files as files
from selfplay.benchmark_files import DataFile, Row
from selfplay.benchmark_task import INSTRUCTION, Task, asked
from selfplay.errors import UserError
from selfplay.prompts import Message
from selfplay.replies import parse

WALL_S = 240.0

_TOGETHER = """\
# The tests below patch what the function uses, and so must run where it is. Only there can an object of the test's own
# be passed to it; no function has such a parameter.
try:
    {name}(_of_the_test=object())
except Exception:
    pass

"""


def complete(folder: Path | None) -> Iterator[Task]:
    """Yield the tasks of BigCodeBench, asked by their docstrings."""
    return _tasks("bigcodebench_complete", files.BIGCODEBENCH, folder)


def instruct(folder: Path | None) -> Iterator[Task]:
    """Yield the tasks of BigCodeBench, asked in words."""
    return _tasks("bigcodebench_instruct", files.BIGCODEBENCH, folder)


def hard_complete(folder: Path | None) -> Iterator[Task]:
    """Yield the hard tasks of BigCodeBench, asked by their docstrings."""
    return _tasks("bigcodebench_hard_complete", files.BIGCODEBENCH_HARD, folder)


def hard_instruct(folder: Path | None) -> Iterator[Task]:
    """Yield the hard tasks of BigCodeBench, asked in words."""
    return _tasks("bigcodebench_hard_instruct", files.BIGCODEBENCH_HARD, folder)


def _tasks(benchmark: str, file: DataFile, folder: Path | None) -> Iterator[Task]:
    for row in files.rows(file, folder):
        if "class TestCases" not in row["test"]:
            raise UserError(f"{file.name}: task {row['task_id']} has no tests, so that no answer to it can be scored")
        in_words = benchmark.endswith("instruct")
        prompt = row["instruct_prompt"] if in_words else row["complete_prompt"]
        yield Task(
            benchmark=benchmark,
            id=row["task_id"],
            messages=_in_words(prompt) if in_words else asked(prompt),
            entry_point=row["entry_point"],
            test=_TOGETHER.format(name=row["entry_point"]) + row["test"],
            wall_s=WALL_S,
            context=_stub(row),
            canonical=row["complete_prompt"] + row["canonical_solution"],
            text=row["complete_prompt"],
            needs=_third_party(row),
        )


def _in_words(prompt: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": f"{INSTRUCTION}\n{prompt.strip()}\n"},)


def _stub(row: Row) -> str:
    """Return the code of the prompt, the function with an empty body."""
    return f"{row['code_prompt'].rstrip()}\n    pass\n"


def _third_party(row: Row) -> tuple[str, ...]:
    """Return the modules, not of the standard library, that solution or test import anywhere."""
    roots = set(ast.literal_eval(row["libs"]))
    for source in (row["complete_prompt"] + row["canonical_solution"], row["test"]):
        for node in ast.walk(parse(source) or ast.Module([], [])):
            if isinstance(node, ast.Import):
                roots |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                roots.add(node.module.partition(".")[0])
    return tuple(sorted(roots - sys.stdlib_module_names))
