"""What the judge leaves out of a matrix, and what it measures; the sandbox is real."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox import Limits, Sandbox
from selfplay.judge import as_bools, canaries, judge, pass_matrix
from selfplay.sections import Select
from state.records import Problem, Sample

PROBLEM = Problem(
    id="p",
    source="test",
    position=0,
    prompt="Double x.",
    signature="def double(x: int) -> int:",
    entry_point="double",
    reference="def double(x):\n    return 2 * x",
    reference_tests='["assert double(3) == 6", "assert double(0) == 0"]',
    dropped=None,
)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(workers=2, limits=Limits(wall_s=4.0)) as opened:
        yield opened


def sample(kind: str, source: str, position: int) -> Sample:
    return Sample(
        id=f"{kind}{position}",
        reply_id="r",
        round_id="round",
        problem_id="p",
        kind=kind,
        position=position,
        source=source,
        defect=None,
    )


def samples(kind: str, *sources: str) -> list[Sample]:
    return [sample(kind, source, position) for position, source in enumerate(sources)]


CODES = samples(
    "code", "def double(x):\n    return x + x", "def double(x):\n    return x * x", "def double(x):\n    return 7"
)


@pytest.mark.isolation
def test_the_matrix_says_which_code_passes_which_test(box: Sandbox) -> None:
    tests = samples("test", "assert double(2) == 4", "assert double(3) == 6", "assert double(1) == 7")
    result = judge(box, PROBLEM, CODES, tests, round_id="round", seed=1, section=Select())
    assert pass_matrix(result.matrix).tolist() == [[True, True, False], [True, False, False], [False, False, True]]
    assert as_bools(result.matrix.code_right) == [True, False, False]
    assert as_bools(result.matrix.test_right) == [True, True, False]
    assert (result.matrix.tampered, result.matrix.vacuous) == (0, 0)
    roles = [execution.role for execution in result.executions]
    assert roles.count("cell") == 9
    assert roles.count("canary") == 6
    assert roles.count("code_truth") == roles.count("test_truth") == roles.count("stub") == 3
    assert len({execution.id for execution in result.executions}) == len(result.executions)


@pytest.mark.isolation
def test_a_test_that_a_stub_passes_is_left_out_unless_the_config_keeps_it(box: Sandbox) -> None:
    tests = samples("test", "assert double(2) == 4", "assert double(2) != 5")
    result = judge(box, PROBLEM, CODES, tests, round_id="round", seed=1, section=Select())
    assert json.loads(result.matrix.test_ids) == ["test0"]
    assert result.matrix.vacuous == 1
    kept = judge(box, PROBLEM, CODES, tests, round_id="round", seed=1, section=Select(drop_vacuous=False))
    assert json.loads(kept.matrix.test_ids) == ["test0", "test1"]


@pytest.mark.isolation
def test_without_tests_the_matrix_is_empty_and_the_problem_counts_as_judged(box: Sandbox) -> None:
    result = judge(box, PROBLEM, CODES, [], round_id="round", seed=1, section=Select())
    assert pass_matrix(result.matrix).shape == (3, 0)
    assert result.executions == ()


@pytest.mark.isolation
def test_a_result_that_equals_everything_passes_nothing(box: Sandbox) -> None:
    liar = (
        "class A:\n    def __eq__(self, other): return True\n    __ne__ = lambda s, o: False\ndef double(x): return A()"
    )
    tests = samples("test", "assert double(2) == 4")
    result = judge(box, PROBLEM, samples("code", liar), tests, round_id="round", seed=1, section=Select())
    assert not pass_matrix(result.matrix).any()


def test_canaries_compare_a_real_call_with_a_fresh_object() -> None:
    assert canaries("double", ["assert double(x=2) == 4"]) == ("assert False", "assert double(x=2) == object()")
    assert canaries("double", []) == ("assert False",)
