"""What is read off a test's text before it runs."""

from __future__ import annotations

import pytest

from sandbox.harness.testing import compile_test, run_test


@pytest.mark.parametrize(
    ("source", "free"),
    [
        ("assert f(1) == 2", ("f",)),
        ("import math\nassert math.isclose(f(1), 2)", ("f",)),
        ("def check(candidate):\n    assert candidate(helper(1)) == 2\ncheck(f)", ("f", "helper")),
        ("class T:\n    def run(self):\n        x = 1\n        return g(x)", ("g",)),
        ("for v in [1]:\n    assert len(f(v)) == v", ("f",)),
        ("def setup():\n    global f\n    f = 1\nsetup()\nassert f == 1", ()),
    ],
)
def test_the_free_names_of_a_test_are_what_the_code_must_define(source: str, free: tuple[str, ...]) -> None:
    assert compile_test(source).free == free


@pytest.mark.parametrize(
    ("source", "simple"),
    [
        ("assert f(1) == 2", True),
        ("assert sorted(f([3])) == [3], 'no'\nassert f(lambda v: v) is None", True),
        ("import math\nassert f(1) == 2", False),
        ("assert exec('x') or f(1)", False),
        ("assert setattr(f, 'a', 1) or f(1)", False),
        ("assert f.__globals__['x']", False),
        ("assert (y := f(1)) == 2", False),
        ("x = 1\nassert f(x) == 2", False),
        ("assert __import__('os')._exit(0) or f(1)", False),
    ],
)
def test_only_a_test_that_can_leave_nothing_behind_is_simple(source: str, simple: bool) -> None:
    assert compile_test(source).simple is simple


@pytest.mark.parametrize("source", ["assert f(", "x = '\0'", "(" * 5000 + ")" * 5000, "\ud800"])
def test_a_test_that_does_not_compile_says_why(source: str) -> None:
    test = compile_test(source)
    assert test.code is None
    assert test.error


def test_test_functions_that_nobody_calls_are_called() -> None:
    calls: list[str] = []
    source = "def test_a():\n    note('a')\ndef test_b(x=1):\n    note('b')\ndef test_c():\n    note('c')\ntest_c()"
    run_test(compile_test(source), {"note": calls.append})
    assert calls == ["c", "a"]


def test_unittest_cases_are_run_once_each_and_their_failures_come_out() -> None:
    calls: list[int] = []
    source = (
        "import unittest\nclass T(unittest.TestCase):\n    def setUp(self):\n        note(1)\n"
        "    def test_a(self):\n        self.assertEqual(1, 1)\n"
        "    def test_b(self):\n        self.assertEqual(1, 2)\nif __name__ == '__main__':\n    unittest.main()"
    )
    with pytest.raises(AssertionError, match="1 != 2"):
        run_test(compile_test(source), {"note": calls.append})
    assert calls == [1, 1]
