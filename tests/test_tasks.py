"""The built-in problems: well formed, solvable, not passed by a stub, and different from each other."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status

TASKS = Path(__file__).parents[1] / "selfplay" / "tasks"
LEVELS = ("easy", "medium", "hard")
MIN_PROBLEMS = 120
MAX_SHARED_FRAC = 0.3
"""Largest share of three-word runs that two prompts may have in common."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a problem file."""

    id: str
    level: str
    prompt: str
    signature: str
    entry_point: str
    reference: str
    reference_tests: list[str]


def read_rows(path: Path) -> list[Row]:
    """Return the rows of one problem file; a row with other keys than `Row` has raises TypeError."""
    return [Row(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


FILES = sorted(TASKS.glob("*.jsonl"))
ROWS = [row for path in FILES for row in read_rows(path)]
each_problem = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)


def defects(row: Row) -> list[str]:
    """Return what is wrong with a row's form, one sentence a defect."""
    found = [f"{field.name} is empty" for field in fields(row) if not getattr(row, field.name)]
    texts = [row.id, row.level, row.prompt, row.signature, row.entry_point, row.reference, *row.reference_tests]
    if not all(isinstance(text, str) for text in texts):
        return [*found, "a field that should be text is not"]
    if row.level not in LEVELS:
        found.append(f"level {row.level!r} is unknown")
    if not 6 <= len(row.reference_tests) <= 10:
        found.append(f"{len(row.reference_tests)} reference tests instead of 6 to 10")
    if len(set(row.reference_tests)) != len(row.reference_tests):
        found.append("a reference test is repeated")
    found += [f"the prompt gives away {test!r}" for test in row.reference_tests if shown(test, row.prompt)]
    return found + signature_defects(row) + test_defects(row)


def shown(test: str, prompt: str) -> bool:
    """Tell whether a prompt contains a test, with or without the word assert."""
    return test.removeprefix("assert ").strip() in prompt


def signature_defects(row: Row) -> list[str]:
    """Return how signature, entry point and reference disagree."""
    try:
        declared = ast.parse(row.signature + "\n    pass").body
        written = ast.parse(row.reference).body
    except SyntaxError as error:
        return [f"signature or reference does not parse: {error}"]
    if len(declared) != 1 or not isinstance(declared[0], ast.FunctionDef):
        return ["the signature is not one def line"]
    found = []
    if declared[0].name != row.entry_point:
        found.append(f"the signature names {declared[0].name}, the entry point is {row.entry_point}")
    if declared[0].returns is None or any(argument.annotation is None for argument in declared[0].args.args):
        found.append("the signature lacks a type")
    functions = [node for node in written if isinstance(node, ast.FunctionDef) and node.name == row.entry_point]
    if len(functions) != 1:
        found.append("the reference does not define the entry point once")
    elif ast.dump(functions[0].args) != ast.dump(declared[0].args):
        found.append("the reference has other arguments than the signature")
    return found


def test_defects(row: Row) -> list[str]:
    """Return what keeps the reference tests from being single asserts that call the entry point."""
    found = []
    for test in row.reference_tests:
        try:
            body = ast.parse(test).body
        except SyntaxError as error:
            found.append(f"{test!r} does not parse: {error}")
            continue
        called = {
            node.func.id for node in ast.walk(body[0]) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        if len(body) != 1 or not isinstance(body[0], ast.Assert) or row.entry_point not in called:
            found.append(f"{test!r} is not one assert that calls {row.entry_point}")
    return found


test_defects.__test__ = False  # type: ignore[attr-defined]  # a helper, in spite of its name


def shingles(prompt: str) -> frozenset[tuple[str, ...]]:
    """Return all runs of three words of a prompt."""
    words = re.findall(r"[a-z0-9]+", prompt.lower())
    return frozenset(zip(words, words[1:], words[2:], strict=False))


def stub(entry_point: str) -> str:
    """Return a program that defines the entry point and does nothing."""
    return f"def {entry_point}(*args, **kwargs):\n    return None\n"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox for all problems; the tests that need it are skipped where the host has no isolation."""
    try:
        sandbox = Sandbox(workers=2, limits=Limits())
    except SandboxUnavailable as error:
        pytest.skip(f"this host cannot isolate programs, so no reference was run: {error}")
    with sandbox:
        yield sandbox


@each_problem
def test_a_problem_is_well_formed(row: Row) -> None:
    assert defects(row) == []


@each_problem
def test_a_problem_is_named_after_its_file(row: Row) -> None:
    stem, _, number = row.id.rpartition("-")
    assert (TASKS / f"{stem}.jsonl").is_file()
    assert re.fullmatch(r"[0-9]{3}", number)


@pytest.mark.isolation
@each_problem
def test_the_reference_passes_every_test_and_a_stub_does_not(row: Row, box: Sandbox) -> None:
    sources = [row.reference, stub(row.entry_point)]
    reference, nothing = box.run_matrix(sources, row.reference_tests, entry_point=row.entry_point, seed=0)
    failed = [
        (test, verdict.status, verdict.detail)
        for test, verdict in zip(row.reference_tests, reference, strict=True)
        if verdict.status != Status.PASSED
    ]
    assert failed == []
    assert any(verdict.status != Status.PASSED for verdict in nothing)


def test_there_are_enough_problems() -> None:
    assert len(ROWS) >= MIN_PROBLEMS


def test_ids_and_entry_points_are_used_once() -> None:
    counts = Counter(row.id for row in ROWS) + Counter(row.entry_point for row in ROWS)
    assert [name for name, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_spans_all_levels(path: Path) -> None:
    wanted = {"easy", "medium"} if path.stem == "basics" else set(LEVELS)  # basics: what half a billion weights can do
    assert {row.level for row in read_rows(path)} == wanted


def test_most_problems_are_within_reach_of_a_small_model() -> None:
    counts = Counter(row.level for row in ROWS)
    assert counts["easy"] >= 0.4 * len(ROWS)
    assert counts["hard"] <= 0.25 * len(ROWS)


def test_no_two_prompts_are_nearly_the_same() -> None:
    prompts = [(row.id, shingles(row.prompt)) for row in ROWS]
    alike = [
        (one, other)
        for (one, left), (other, right) in itertools.combinations(prompts, 2)
        if len(left & right) > MAX_SHARED_FRAC * min(len(left), len(right))
    ]
    assert alike == []


def good_row() -> Row:
    """Return a row without defects, for the tests of the checks themselves."""
    return Row(
        id="numbers-001",
        level="easy",
        prompt="Return twice x.",
        signature="def twice(x: int) -> int:",
        entry_point="twice",
        reference="def twice(x: int) -> int:\n    return 2 * x\n",
        reference_tests=[f"assert twice({x}) == {2 * x}" for x in range(6)],
    )


def test_the_form_check_accepts_a_good_row() -> None:
    assert defects(good_row()) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"level": "trivial"}, "level 'trivial' is unknown"),
        ({"prompt": ""}, "prompt is empty"),
        ({"prompt": "It holds that twice(3) == 6."}, "the prompt gives away 'assert twice(3) == 6'"),
        ({"signature": "def twice(x: int) -> int"}, "does not parse"),
        ({"signature": "def twice(x) -> int:"}, "lacks a type"),
        ({"signature": "def twice(y: int) -> int:"}, "other arguments"),
        ({"signature": "class twice:"}, "not one def line"),
        ({"entry_point": "double"}, "the entry point is double"),
        ({"reference": "def double(x: int) -> int:\n    return 2 * x\n"}, "does not define the entry point once"),
        ({"reference_tests": ["assert twice(1) == 2"]}, "1 reference tests"),
        ({"reference_tests": ["assert twice(1) == 2"] * 6}, "repeated"),
        ({"reference_tests": [f"assert {x} == {x}" for x in range(6)]}, "is not one assert"),
        ({"reference_tests": [f"twice({x}) == {2 * x}" for x in range(6)]}, "is not one assert"),
        ({"reference_tests": [f"assert twice({x}) = 1" for x in range(6)]}, "does not parse"),
    ],
)
def test_the_form_check_refuses_a_bad_row(change: dict[str, object], complaint: str) -> None:
    values = {field.name: getattr(good_row(), field.name) for field in fields(Row)} | change
    assert any(complaint in defect for defect in defects(Row(**values)))


@pytest.mark.isolation
@pytest.mark.parametrize(
    "reference", ["def twice(x: int) -> int:\n    return 3 * x\n", "def twice(x: int) -> int:\n    raise ValueError\n"]
)
def test_a_wrong_reference_would_be_noticed(box: Sandbox, reference: str) -> None:
    (verdicts,) = box.run_matrix([reference], good_row().reference_tests[1:], entry_point="twice", seed=0)
    assert all(verdict.status != Status.PASSED for verdict in verdicts)
