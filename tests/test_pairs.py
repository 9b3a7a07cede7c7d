"""What surrounds the rules: filters, similarity, reliability, seeds, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.pairs import Counts, derive_seed, eligible, reliability, select, similarity
from selfplay.rules import Bools, Selection


def matrix(*rows: str) -> Bools:
    return np.array([[cell == "1" for cell in row] for row in rows], dtype=np.bool_)


def test_a_pair_is_eligible_when_enough_tests_and_codes_stand_behind_it() -> None:
    passed = matrix("110", "100", "000")
    hard, easy = Selection(0, 1, 2, 0), Selection(0, 0, 2, 0)
    assert eligible(passed, hard, min_passed=2, min_agree=1)
    assert not eligible(passed, hard, min_passed=2, min_agree=2)
    assert eligible(passed, easy, min_passed=2, min_agree=2)
    assert not eligible(passed, easy, min_passed=3, min_agree=2)


def test_programs_that_differ_in_layout_and_comments_alone_are_the_same() -> None:
    assert similarity("def f(a):\n    return a\n", "def f( a ): # why\n\n    return  a") == 1.0


def test_similarity_is_the_share_of_common_tokens() -> None:
    # Tokens: x = 1 + 2 (5) against x = 1 - 2 (5), 4 of them in common.
    assert similarity("x = 1 + 2", "x = 1 - 2") == pytest.approx(0.8)
    assert similarity("a", "b") == 0.0
    assert similarity("", "") == 1.0


def test_similarity_does_not_depend_on_which_program_comes_first() -> None:
    # difflib alone says 0.25 and 0.5.
    assert similarity("t i d e", "d i e t") == similarity("d i e t", "t i d e")


@given(a=st.text(max_size=60), b=st.text(max_size=60))
def test_similarity_takes_any_text(a: str, b: str) -> None:
    assert similarity(a, a) == 1.0
    assert 0.0 <= similarity(a, b) == similarity(b, a) <= 1.0


@pytest.mark.parametrize("broken", ["def f(:\n  '''", "x = (1,", "  a\n b", "\x00", "x = 'é", "\ud800 1"])
def test_text_that_is_no_python_is_compared_by_words(broken: str) -> None:
    assert similarity(broken, broken) == 1.0
    assert similarity(broken, "def g(): pass") < 1.0


def test_reliability_counts_pairs_that_tell_the_truth_and_pairs_that_invert_it() -> None:
    pair = Selection(0, 0, 1, 1)
    good = reliability(pair, [True, False], [True, False])
    assert good == Counts(pairs=1, measured=1, good=1, tests_measured=2, tests_right=1)
    assert reliability(pair, [False, True]) == Counts(pairs=1, measured=1, inverted=1)
    assert reliability(pair, [True, True]) == Counts(pairs=1, measured=1)
    assert reliability(pair, None) == Counts(pairs=1)
    assert reliability(None, [True, False]) == Counts()
    assert good + reliability(pair, None) == Counts(pairs=2, measured=1, good=1, tests_measured=2, tests_right=1)


def test_a_seed_is_the_same_everywhere_and_knows_where_its_parts_end() -> None:
    assert derive_seed(0, 1, "p-1", "select") == 1188196902427804011
    assert derive_seed("ab", "c") != derive_seed("a", "bc")
    assert derive_seed(1) != derive_seed("1")


@given(parts=st.lists(st.one_of(st.integers(), st.text()), max_size=4))
def test_a_seed_has_63_bits(parts: list[str | int]) -> None:
    assert 0 <= derive_seed(*parts) < 2**63
    np.random.default_rng(derive_seed(*parts))


def test_a_wrong_matrix_or_rule_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown rule 'dtsc': known are dstc"):
        select(matrix("1"), "dtsc", seed=0)
    with pytest.raises(ValueError, match="bool matrix, not int64"):
        select(np.zeros((2, 2), dtype=np.int64), seed=0)
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        select(np.zeros(2, dtype=np.bool_), seed=0)
