"""EvalPlus tests: comparison by hand and against numpy, inputs as the published ones mean them; in the sandbox."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Status, Verdict
from selfplay import benchmark
from selfplay.benchmark_task import Task, extract
from selfplay.evalplus import CONVERSIONS, ORACLES, quick_test, tagged
from selfplay.evalplus import test_text as text_of_test
from selfplay.evalplus_check import FLOAT_ATOL, MOST_BYTES, MOST_TOGETHER, RTOL, Group, Known, close, is_floats
from selfplay.evalplus_known import TOGETHER_S, revive
from selfplay.grading import Grader
from tests.benchmark_data import data_dir, needs_data

NUMBERS = st.one_of(
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(),
    st.complex_numbers(max_magnitude=1e6),
    st.sampled_from([0.0, 1e-6, 1 + 1e-6, 1e-4, 1 + 1e-4, 1.0, 2.0, math.inf, -math.inf, math.nan]),
)


@st.composite
def pairs_of_one_shape(draw: st.DrawFn) -> tuple[object, object]:
    """Draw two values that are both a number, or nested lists of numbers of one shape."""
    shape = draw(st.sampled_from([(), (1,), (3,), (2, 2), (0,), (2, 0)]))
    other = draw(st.booleans())

    def one(left: tuple[int, ...]) -> tuple[Any, Any]:
        if not left:
            first = draw(NUMBERS)
            return first, draw(NUMBERS) if other else first
        parts = [one(left[1:]) for _ in range(left[0])]
        return [a for a, _ in parts], [b for _, b in parts]

    return one(shape)


@given(pairs_of_one_shape(), st.sampled_from([1e-6, 1e-4, 0.5]))
def test_close_is_numpys_allclose(pair: tuple[object, object], atol: float) -> None:
    with np.errstate(all="ignore"):
        expected = bool(np.allclose(*pair, rtol=RTOL, atol=atol))  # type: ignore[arg-type]
    assert close(*pair, atol) is expected


@pytest.mark.parametrize(
    ("result", "right"),
    [("1", "2"), (None, 1.0), ([1.0], 1.0), (1.0, [1.0]), ([1.0, 2.0], [1.0]), ({}, {"a": 1}), ([None], [1.0])],
)
def test_what_is_no_number_or_of_another_shape_is_not_close(result: object, right: object) -> None:
    assert close(result, right, 0.5) is False


def test_floats_are_a_float_or_a_sequence_of_nothing_else() -> None:
    assert [is_floats(value) for value in (1.0, [1.0], (1.0, 2.0))] == [True] * 3
    assert [is_floats(value) for value in (1, [], [1], [1.0, 1], {1.0}, "1.0", None, [[1.0]])] == [False] * 8


def group(oracle: str, atol: float = 0) -> Group:
    return Group({"oracle": oracle, "atol": atol}, "[]", lambda: None)


@pytest.mark.parametrize(
    ("oracle", "result", "right", "arguments", "expected"),
    [
        ("equal", [1], [1], [], True),
        ("equal", (1,), [1], [], False),
        ("equal", True, 1, [], True),
        ("same_set", (2, 1, 1), (1, 2), [], True),
        ("same_set", [1], [1, 2], [], False),
        ("found_or_not", True, True, [], True),
        ("found_or_not", False, True, [], False),
        ("found_or_not", "match", True, [], True),
        ("found_or_not", None, False, [], True),
        ("found_or_not", 0, False, [], False),
        ("pyramid", 33, 33, [3, 4], True),
        # Slant height of base 3 and height 4: sqrt(1.5 ** 2 + 4 ** 2) = 4.272; 9 + 2 * 3 * 4.272 = 34.63.
        ("pyramid", 35, 33, [3, 4], True),
        ("pyramid", 34, 33, [3, 4], False),
        # 001 against 290: 2 + 9 + 1 = 12.
        ("digit_places", 12, 5, [1, 290], True),
        ("digit_places", 5, 5, [1, 290], True),
        ("digit_places", 10, 5, [1, 290], False),
    ],
)
def test_each_rule_by_hand(oracle: str, result: object, right: object, arguments: list[Any], expected: bool) -> None:
    assert group(oracle).agrees(result, right, arguments) is expected


def test_tolerance_begins_with_the_first_right_result_that_is_a_float() -> None:
    near = 100_000_000, 100_000_001  # apart by less than a ten millionth
    judged = group("equal")
    assert judged.agrees(*near, []) is False
    assert judged.agrees(0.5 + FLOAT_ATOL / 2, 0.5, []) is True
    assert judged.agrees(*near, []) is True
    assert judged.agrees(0.5 + 3 * FLOAT_ATOL, 0.5, []) is False
    assert judged.agrees(1, 1.0000001, []) is False
    assert group("equal", 1e-4).agrees([1.00001], [1.0], []) is True
    assert group("equal", 1e-4).agrees((1.00001,), [1.0], []) is False


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False) | st.complex_numbers(
        allow_nan=False
    ),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)  # fmt: skip


@given(VALUES)
def test_an_input_comes_out_of_its_json_as_it_was(value: object) -> None:
    again = json.loads(json.dumps(tagged(value)), object_hook=revive)
    assert repr(again) == repr(value) or again == value
    assert type(again) is type(value)


def test_an_input_of_another_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="an input of type bytes"):
        tagged(b"")


@pytest.mark.parametrize(
    ("number", "published", "meant"),
    [
        (2, [[1, 2], [3]], [(1, 2), (3,)]),
        (63, [[[1, 2], [3, 4]]], [[(1, 2), (3, 4)]]),
        (75, [[[1, 2]], 3], [[(1, 2)], 3]),
        (106, [[1], [2]], [[1], (2,)]),
        (124, ["1.5", "1+2j"], [1.5, 1 + 2j]),
        (252, ["1j"], [1j]),
        (250, [[1], 2], [(1,), 2]),
        (259, [[[1], [2]]], [((1,), (2,))]),
        (278, [[1, [2]]], [(1, (2,))]),
        (722, [{"a": [1]}, 2, 3], [{"a": (1,)}, 2, 3]),
        (580, [[1, [2, [3]]]], [(1, (2, (3,)))]),
    ],
)
def test_lists_become_what_the_task_speaks_of(number: int, published: list[Any], meant: list[Any]) -> None:
    converted = CONVERSIONS[number](published)
    assert repr(converted) == repr(meant)


def task(reference: str, base: list[Any], plus: list[Any], name: str = "f", oracle: str = "equal") -> Task:
    row = {"task_id": "Tiny/0", "entry_point": name, "atol": 0, "base_input": base, "plus_input": plus}
    text = text_of_test(row, reference=reference, oracle=oracle, convert=list, file="tiny")
    return Task(
        benchmark="tiny",
        id="Tiny/0",
        messages=(),
        entry_point=name,
        test=text,
        wall_s=30.0,
        canonical=reference,
        text="",
    )


SORTED = "def f(items):\n    return sorted(items)\n"
LISTS = task(SORTED, [[[3, 1, 2]], [[]]], [[[2, 2]], [[1.5, 0]]])


def verdict(grader: Grader, code: str, of: Task = LISTS) -> Verdict:
    """Return the verdict of the whole test, after seeing that the quick one says the same."""
    grader.learn(of, "")
    whole = grader.run(of, code)
    grader.learn(of, note_of(grader, of))
    quick = grader.run(of, code)
    grader.learn(of, "")
    assert (quick.status, quick.trust) == (whole.status, whole.trust), (quick.detail, whole.detail)
    assert quick.status is Status.TIMEOUT or quick.passed or quick.detail == whole.detail
    return whole


def note_of(grader: Grader, of: Task) -> str:
    right = grader.run(of, of.canonical)
    assert right.passed
    return right.detail


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("code", "status"),
    [
        (SORTED, Status.PASSED),
        ("def f(items):\n    items.sort()\n    return items\n", Status.PASSED),
        ("def f(items):\n    return tuple(sorted(items))\n", Status.FAILED),
        ("def f(items):\n    return items\n", Status.FAILED),
        ("def f(items):\n    return sorted(set(items))\n", Status.FAILED),  # only a plus input tells
        ("def f(items):\n    return None\n", Status.FAILED),
        ("def f(items):\n    return items[0] and sorted(items)\n", Status.EXCEPTION),
        ("class Yes(list):\n    __eq__ = lambda *_: True\ndef f(items):\n    return Yes()\n", Status.FAILED),
        ("import os\ndef f(items):\n    os._exit(0)\n", Status.CRASHED),
        ("import sys\ndef f(items):\n    sys.exit(0)\n", Status.EXCEPTION),
    ],
)
def test_a_program_passes_exactly_if_it_gives_the_right_results(grader: Grader, code: str, status: Status) -> None:
    found = verdict(grader, code)
    assert (found.status, found.trust) == (status, "split"), found.detail


@pytest.mark.isolation
def test_a_program_that_never_ends_is_given_up_after_two_tries_of_a_second(grader: Grader) -> None:
    found = verdict(grader, "def f(items):\n    while True:\n        pass\n")
    assert found.status is Status.TIMEOUT
    assert found.wall_s < 20


@pytest.mark.isolation
def test_a_slow_reference_gives_its_rivals_more_time(grader: Grader) -> None:
    wait = "import time\ndef f(x):\n    time.sleep({})\n    return x\n"
    slow = task(wait.format(0.6), [[1]], [])
    assert verdict(grader, wait.format(1.4), slow).status is Status.PASSED
    fast = task(wait.format(0.0), [[1]], [])
    assert verdict(grader, wait.format(1.4), fast).status is Status.TIMEOUT


@pytest.mark.isolation
@pytest.mark.parametrize("name", ["check", "close", "json", "Group", "_candidate"])
def test_a_function_may_be_called_as_the_test_calls_its_own(grader: Grader, name: str) -> None:
    right = f"def {name}(x):\n    return x + 1\n"
    of = task(right, [[1]], [[2]], name)
    assert verdict(grader, right, of).status is Status.PASSED
    assert verdict(grader, right.replace("x + 1", "2"), of).status is Status.FAILED


@pytest.mark.isolation
def test_the_quick_test_is_told_no_result_where_the_hashes_agree(grader: Grader) -> None:
    of = task("def f(x):\n    return [x, 'right']\n", [[n] for n in range(3)], [[n] for n in range(200)])
    note = note_of(grader, of)
    base, plus = (found["batches"] for found in json.loads(note))
    assert [count for count, _, _ in base] == [1, 2]
    assert [count for count, _, _ in plus] == [1, 2, 4, 8, 16, 32, 64, 64, 9]
    assert all(len(digest) == 32 and 1.0 <= limit_s < 60.0 for _, digest, limit_s in base + plus)
    quick = quick_test(of, note)
    assert quick is not None
    unable = quick.replace("candidate.told", "None").replace("def _load", "def _load(*_): raise KeyError\ndef unused")
    assert grader.run_once(of, of.canonical, unable).passed
    wrong = of.canonical.replace("'right'", "'right' if x < 150 else 'wrong'")
    assert grader.run_once(of, wrong, unable).status is Status.EXCEPTION
    found = grader.run_once(of, wrong, quick)
    assert (found.status, found.detail) == (Status.FAILED, "AssertionError: input 150 has another result")


@pytest.mark.isolation
@pytest.mark.parametrize("said", ["''", "'0' * 32", "None", "True", "['L']", "{}", "0"])
@pytest.mark.parametrize("reference", ["return x", "import collections\n    return collections.Counter('aab')"])
def test_no_hash_that_a_program_makes_up_is_a_pass(grader: Grader, reference: str, said: str) -> None:
    of = task(f"def f(x):\n    {reference}\n", [[n] for n in range(4)], [[5]])
    quick = quick_test(of, note_of(grader, of))
    assert quick is not None
    forger = f"import sys\nsys.modules['harness.batch'].Batch.calls = lambda *_: {said}\ndef f(x):\n    return {{}}\n"
    found = grader.run_once(of, forger, quick)
    assert not found.passed
    assert found.trust == "split"


@pytest.mark.isolation
def test_without_a_note_there_is_no_quick_test(grader: Grader) -> None:
    assert quick_test(LISTS, "") is None
    other = benchmark.load("humaneval", limit=1)[0]
    assert quick_test(other, "a note of its own") is None
    root = task("def f(xs):\n    return 2\n", [[[-6, 5, -1]]], [], oracle="root")
    assert note_of(grader, root) == ""


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("reference", "code", "status"),
    [
        # Equal, and not of the same type: the hashes differ.
        ("return 1", "return True", Status.PASSED),
        ("return 1", "return 1.0", Status.PASSED),
        ("return [1, 2]", "return [1.0, True + 1]", Status.PASSED),
        ("return (1, 2)", "return [1, 2]", Status.FAILED),
        ("return {'a': 1, 'b': 2}", "return {'b': 2, 'a': 1}", Status.PASSED),
        ("return {1, 2}", "return {2, 1}", Status.PASSED),
        # Tolerance begins with the first right result that is a float, here that of input 2.
        ("return x if x != 2 else 2.5", "return x if x != 2 else 2.5 + 1e-7", Status.PASSED),
        ("return x if x != 2 else 2.5", "return x if x != 2 else 2.5 + 1e-5", Status.FAILED),
        ("return 10**8 * x if x != 2 else 2.5", "return 10**8 * x + (x > 2) if x != 2 else 2.5", Status.PASSED),
        ("return 10**8 * x if x != 2 else 2.5", "return 10**8 * x + (x == 1) if x != 2 else 2.5", Status.FAILED),
        # No plain data, or data that does not equal itself: such results are asked for.
        ("import collections\n    return collections.Counter('aab')", "return {'a': 2, 'b': 1}", Status.PASSED),
        ("import collections\n    return collections.Counter('aab')", "return {'a': 2, 'b': 2}", Status.FAILED),
        # What is returned is what it was then.
        ("return [x]", "kept = globals().setdefault('kept', [0])\n    kept[0] = x\n    return kept", Status.PASSED),
        ("return [x]", "kept = globals().setdefault('kept', [])\n    kept.append(x)\n    return kept", Status.FAILED),
        # A wrong result counts before what is raised later, and the other way round.
        ("return x", "return 1 / 0 if x == 5 else x + (x == 4)", Status.FAILED),
        ("return x", "return 1 / 0 if x == 4 else x + (x == 5)", Status.EXCEPTION),
        ("return x", "return 1 / 0 if x == 5 else float(x)", Status.EXCEPTION),
        ("return x", "globals()['f'] = lambda x: 9\n    return x", Status.FAILED),
        ("return x", "print('x' * 10**6)\n    return x", Status.OUTPUT),
    ],
)
def test_the_quick_test_says_what_the_whole_test_says(
    grader: Grader, reference: str, code: str, status: Status
) -> None:
    inputs = [[n] for n in range(8)]
    of = task(f"def f(x):\n    {reference}\n", inputs, inputs)
    assert verdict(grader, f"def f(x):\n    {code}\n", of).status is status


@pytest.mark.isolation
@pytest.mark.parametrize("code", ["class f:\n    pass\n", "f = 3\n", "g = 3\n", "f = lambda items: sorted(items)\n"])
def test_what_is_no_function_gets_the_same_verdict_from_both(grader: Grader, code: str) -> None:
    assert verdict(grader, code).passed is ("lambda" in code)


@pytest.mark.isolation
def test_found_or_not_and_sets_are_known_by_their_hashes_too(grader: Grader) -> None:
    found = task("def f(x):\n    return 'yes' if x else None\n", [[0], [1]], [[2]], oracle="found_or_not")
    assert all(digest for group in json.loads(note_of(grader, found)) for _, digest, _ in group["batches"])
    say = "def f(x):\n    return {}\n"
    answers = ["'yes' if x else None", "bool(x)", "x or None", "x"]
    assert [verdict(grader, say.format(each), found).passed for each in answers] == [True, True, True, False]
    same = task("def f(x):\n    return (1, x)\n", [[0], [1]], [[2]], oracle="same_set")
    answers = ["(1, x)", "[x, 1, 1]", "{x}"]
    assert [verdict(grader, say.format(each), same).passed for each in answers] == [True, True, False]


def test_what_equals_nothing_has_no_hash() -> None:
    judged = Group({"oracle": "equal", "atol": 0}, "[]", lambda: None)
    assert judged._written([math.nan], []) is None
    assert judged._written([1.0], []) is not None
    assert judged._written(object(), []) is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, 0, 9, 300_000, MOST_BYTES, MOST_BYTES + 1]),
            st.sampled_from([0.0, 0.001, 0.015, 0.3]),
            st.booleans(),
        ),
        max_size=150,
    )
)
def test_inputs_are_together_while_they_are_quick_and_small(seen: list[tuple[int | None, float, bool]]) -> None:
    known = Known()
    for size, took_s, is_float in seen:
        limit_s = max(1.0, 4 * took_s)
        known.add(None if size is None else bytes(size), took_s=took_s, limit_s=limit_s, is_float=is_float)
    noted = known.note()
    assert sum(count for count, _, _ in noted["batches"]) == len(seen)
    assert noted["float"] == next((number for number, each in enumerate(seen) if each[2]), None)
    start = 0
    for number, (count, digest, limit_s) in enumerate(noted["batches"]):
        part = seen[start : start + count]
        start += count
        assert count <= min(MOST_TOGETHER, 1 << number)
        assert (digest is None) is (part[0][0] is None)
        if count > 1:
            assert sum(took_s for _, took_s, _ in part) <= TOGETHER_S * 1.001
            assert sum(size or 0 for size, _, _ in part) <= MOST_BYTES
            assert None not in [size for size, _, _ in part]
        assert limit_s == (1.0 if count > 1 else max(1.0, 4 * part[0][1]))


@pytest.mark.isolation
def test_any_root_will_do(grader: Grader) -> None:
    of = task("def f(xs):\n    return 2\n", [[[-6, 5, -1]]], [], oracle="root")
    tests = {answer: verdict(grader, f"def f(xs):\n    return {answer}\n", of).status for answer in (2, 3.0, 4)}
    assert tests == {2: Status.PASSED, 3.0: Status.PASSED, 4: Status.FAILED}


@pytest.mark.isolation
def test_the_right_results_are_nowhere_in_the_programs_process(grader: Grader) -> None:
    spy = (
        "import gc, sys\n"
        "def f(items):\n"
        "    seen = [o for o in gc.get_objects() if type(o) is dict and 'reference' in o]\n"
        "    return sorted(items) if not seen and 'evalplus' not in str(list(sys.modules)) else None\n"
    )
    assert verdict(grader, spy).status is Status.PASSED


@needs_data
def test_every_rule_belongs_to_a_published_task() -> None:
    names = {found.entry_point for found in benchmark.load("mbpp_plus", data_dir=data_dir())}
    assert set(ORACLES) <= names
    numbers = {int(found.id.partition("/")[2]) for found in benchmark.load("mbpp_plus", data_dir=data_dir())}
    assert sorted(CONVERSIONS.keys() - numbers) == []


@needs_data
@pytest.mark.isolation
@pytest.mark.parametrize("name", ["humaneval_plus", "mbpp_plus"])
def test_references_pass_and_stubs_fail(grader: Grader, name: str) -> None:
    tasks = benchmark.load(name, data_dir=data_dir())[::11]
    stub = "def {}(*args):\n    return None\n"
    for _ in ("whole", "quick"):
        right = {found.id: grader.run(found, extract(found, found.canonical)) for found in tasks}
        assert {id: (seen.status, seen.trust) for id, seen in right.items()} == dict.fromkeys(
            right, (Status.PASSED, "split")
        )
        for found in tasks:
            grader.learn(found, right[found.id].detail)
    wrong = {found.id: grader.run(found, extract(found, stub.format(found.entry_point))) for found in tasks}
    assert [id for id, seen in wrong.items() if seen.status is Status.PASSED] == []
