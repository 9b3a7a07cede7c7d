"""HumanEval+ and MBPP+: the tasks of EvalPlus (Liu et al. 2023, arXiv:2305.01210), HumanEval+ 0.1.10 and MBPP+ 0.2.0.

A task's test puts every base and plus input to the reference and to the candidate and compares (`evalplus_check`). The
reference is part of the test, which runs where the candidate is not, by the same interpreter: the right results are
nowhere to be found by the candidate. The verdict is `split`. Once the right program has passed on a host, the test is a
quicker one that has the hashes of the right results instead (`quick_test`, `evalplus_known`).

Deviations are numbered in `selfplay.benchmark` and in `selfplay.evalplus_check`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from selfplay import benchmark_files as files
from selfplay import evalplus_check, evalplus_known
from selfplay.benchmark_files import Row
from selfplay.benchmark_task import Task, asked, provided
from selfplay.errors import UserError

WALL_S = 2 * evalplus_known.GROUP_S
"""A minute for the base inputs and one for the plus inputs."""

_KNOWN, _CHECK = (
    re.sub(r"^from selfplay\..*\n", "", Path(str(module.__file__)).read_text(encoding="utf-8"), flags=re.MULTILINE)
    for module in (evalplus_known, evalplus_check)
)

Convert = Callable[[list[Any]], list[Any]]
"""Makes the arguments of one call out of what JSON has of them."""


def humaneval_plus(folder: Path | None) -> Iterator[Task]:
    """Yield the tasks of HumanEval+."""
    for row in files.rows(files.HUMANEVAL_PLUS, folder):
        prompt, entry_point = row["prompt"], row["entry_point"]
        canonical = prompt + row["canonical_solution"]
        oracle = "root" if entry_point == "find_zero" else "equal"
        yield Task(
            benchmark="humaneval_plus",
            id=row["task_id"],
            messages=asked(prompt),
            entry_point=entry_point,
            test=test_text(row, reference=canonical, oracle=oracle, convert=list, file=files.HUMANEVAL_PLUS.name),
            wall_s=WALL_S,
            context=provided(prompt, entry_point),
            canonical=canonical,
            text=prompt,
        )


def mbpp_plus(folder: Path | None) -> Iterator[Task]:
    """Yield the tasks of MBPP+."""
    for row in files.rows(files.MBPP_PLUS, folder):
        number = int(row["task_id"].partition("/")[2])
        canonical = row["canonical_solution"].strip("\n") + "\n"
        yield Task(
            benchmark="mbpp_plus",
            id=row["task_id"],
            messages=asked(row["prompt"]),
            entry_point=row["entry_point"],
            test=test_text(
                row,
                reference=canonical,
                oracle=ORACLES.get(row["entry_point"], "equal"),
                convert=CONVERSIONS.get(number, list),
                file=files.MBPP_PLUS.name,
            ),
            wall_s=WALL_S,
            canonical=canonical,
            text=row["prompt"],
        )


def test_text(row: Row, *, reference: str, oracle: str, convert: Convert, file: str) -> str:
    """Return the test of one task.

    Args:
        row: The published record: entry_point, atol, base_input, plus_input.
        reference: A right program.
        oracle: A key of `evalplus_check.ORACLES`, or "root".
        convert: Makes the arguments of a call out of an input.
        file: Where the record comes from.

    Raises:
        UserError: There are no inputs.
    """
    if not row["base_input"]:
        raise UserError(f"{file}: task {row['task_id']} has no tests, so that no answer to it can be scored")
    groups = [
        json.dumps([[tagged(argument) for argument in convert(each)] for each in inputs])
        for inputs in (row["base_input"], row["plus_input"])
    ]
    name = row["entry_point"]
    task = {"name": name, "reference": reference, "oracle": oracle, "atol": row["atol"], "groups": groups}
    return f"{_beginning(name)}{json.dumps(task)!r})\n"


def _beginning(name: str) -> str:
    """Return a test up to its task."""
    # The candidate is put aside first: Mbpp/56 asks for a function called `check`.
    return f"_candidate = {name}\n{_KNOWN}\n\n{_CHECK}\n\nNOTE = check(_candidate, "


def quick_test(task: Task, note: str) -> str | None:
    """Return the test of a task where it is known what the right results hash to.

    Args:
        task: A task of any benchmark.
        note: What its test left when its right program passed.

    Returns:
        None where nothing is known.
    """
    beginning = _beginning(task.entry_point)
    if not note or not task.test.startswith(beginning):
        return None
    text = task.test[len(beginning) :].removesuffix(")\n")
    return f"_candidate = {task.entry_point}\n{_KNOWN}\n\nknown(_candidate, {text}, {note!r}, {_CHECK!r})\n"


def tagged(value: Any) -> Any:
    """Return a form of the value that JSON has, from which `evalplus_check.revive` makes the value again.

    Raises:
        TypeError: A value of another kind.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [tagged(item) for item in value]
        case tuple():
            return {"tuple": [tagged(item) for item in value]}
        case dict():
            return {"dict": [[tagged(key), tagged(item)] for key, item in value.items()]}
        case complex():
            return {"complex": [value.real, value.imag]}
    raise TypeError(f"an input of type {type(value).__name__}")


def _each(inner: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda items: [inner(item) for item in items]


def _first(inner: Callable[[Any], Any]) -> Convert:
    return lambda arguments: [inner(arguments[0]), *arguments[1:]]


def _second(inner: Callable[[Any], Any]) -> Convert:
    return lambda arguments: [arguments[0], inner(arguments[1]), *arguments[2:]]


def _deep(value: Any) -> Any:
    return tuple(_deep(item) for item in value) if isinstance(value, list) else value


def _tuple_if_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


_KINDS: tuple[tuple[Convert, str], ...] = (
    # Every argument is a tuple.
    (_each(tuple), "2 116 132 222 261 273 394 421 424 429 470 560 579 596 616 630 726 740 744 809"),
    # Every argument is a list of tuples.
    (_each(_each(tuple)), "63 64 70 94 120 237 272 299 409 473 614 780"),
    # The first argument is a list of tuples.
    (_first(_each(tuple)), "75 413 753"),
    (_first(tuple), "250 405 446 720 763 808"),
    (_second(tuple), "106 750"),
    # Every argument is a tuple of tuples.
    (_each(lambda items: tuple(tuple(item) for item in items)), "259 445"),
    (_each(lambda items: tuple(_tuple_if_list(item) for item in items)), "278"),
    (_each(_deep), "580 615 791"),
    (_first(lambda table: {key: tuple(item) for key, item in table.items()}), "722"),
    (_first(complex), "252"),
    (lambda arguments: [float(arguments[0]), complex(arguments[1])], "124"),
)
CONVERSIONS = {int(number): convert for convert, numbers in _KINDS for number in numbers.split()}
"""MBPP+ task number -> what the published JSON lists stand for. Source: evalplus 0.3.1, `mbpp_deserialize_inputs`,
without tasks that MBPP+ no longer has."""

ORACLES = {
    "surface_Area": "pyramid",
    "digit_distance_nums": "digit_places",
    **dict.fromkeys(("check_str", "text_match_three", "text_starta_endb"), "found_or_not"),
    **dict.fromkeys(("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly"), "same_set"),
    **dict.fromkeys(("larg_nnum", "find_dissimilar", "Diff"), "same_set"),
}
"""MBPP+ function -> rule other than equality. Source: evalplus 0.3.1, `unsafe_execute`; rules of tasks that MBPP+ no
longer has are left out."""
