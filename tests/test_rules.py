"""Selection rules: truth of pairs, each rule against its definition, ties.

`distribution` runs a rule over every way its ties can fall, so that statements about chances are exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import product
from math import lgamma, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay.pairs import select
from selfplay.rules import RULES, Bools, Selection, aces_weights, b4_scores

RANKING = ("row_sum", "codet", "b4", "aces")
CROSS = pytest.mark.parametrize("cross_check", [False, True])
RULE = pytest.mark.parametrize("rule", list(RULES))


def matrix(*rows: str) -> Bools:
    return np.array([[cell == "1" for cell in row] for row in rows], dtype=np.bool_)


@st.composite
def matrices(draw: st.DrawFn, most: int = 6) -> Bools:
    codes, tests = draw(st.integers(1, most)), draw(st.integers(1, most))
    cells = draw(st.lists(st.booleans(), min_size=codes * tests, max_size=codes * tests))
    return np.array(cells, dtype=np.bool_).reshape(codes, tests)


class _Branches:
    """Answers `choose(n)` along one path of the tree of choices; `next_path` moves on until all have been walked."""

    def __init__(self) -> None:
        self.path: list[int] = []
        self.sizes: list[int] = []

    def __call__(self, n: int) -> int:
        if len(self.sizes) == len(self.path):
            self.path.append(0)
        self.sizes.append(n)
        return self.path[len(self.sizes) - 1]

    def next_path(self) -> bool:
        while self.path and self.path[-1] + 1 == self.sizes[len(self.path) - 1]:
            self.path.pop()
        if self.path:
            self.path[-1] += 1
        self.sizes = []
        return bool(self.path)


def distribution(passed: Bools, rule: str, cross_check: bool) -> dict[Selection | None, Fraction]:
    """Return the exact chance of each outcome when every tie is a fair draw."""
    branches = _Branches()
    total: dict[Selection | None, Fraction] = {}
    while True:
        outcome = RULES[rule](passed, branches, cross_check)
        chance = Fraction(1)
        for size in branches.sizes:
            chance /= size
        total[outcome] = total.get(outcome, Fraction(0)) + chance
        if not branches.next_path():
            return total


def feasible(passed: Bools, cross_check: bool) -> Iterator[Selection]:
    codes, tests = passed.shape
    for winner, test, loser, failed in product(range(codes), range(tests), range(codes), range(tests)):
        if not passed[winner, test] or passed[loser, failed]:
            continue
        if cross_check and (not passed[winner, failed] or passed[loser, test] or winner == loser):
            continue
        yield Selection(winner, test, loser, failed)


Step = tuple[Callable[[Selection], int], Callable[[Selection], float]]


def by_definition(pairs: list[Selection], steps: list[Step]) -> dict[Selection | None, Fraction]:
    """Return the distribution of "at each step the best index that some pair still allows, ties uniform"."""
    if not pairs:
        return {None: Fraction(1)}
    if not steps:
        return {pairs[0]: Fraction(1)}
    (index, score), *rest = steps
    best = max(round(score(pair), 9) for pair in pairs)
    options = sorted({index(pair) for pair in pairs if round(score(pair), 9) == best})
    total: dict[Selection | None, Fraction] = {}
    for option in options:
        for pair, chance in by_definition([pair for pair in pairs if index(pair) == option], rest).items():
            total[pair] = total.get(pair, Fraction(0)) + chance / len(options)
    return total


def code_scores(passed: Bools, rule: str) -> list[float]:
    """Return each code's score, written from the papers' definitions with plain loops."""
    rows = [tuple(map(bool, row)) for row in passed]
    codes, tests = passed.shape
    if rule == "row_sum":
        return [float(sum(row)) for row in rows]
    if rule == "codet":
        return [sum(row) * sqrt(rows.count(row)) for row in rows]
    if rule == "aces":
        weights = slow_aces(rows)
        return [sum(weight for weight, ok in zip(weights, row, strict=True) if ok) for row in rows]
    scores = []
    for row in rows:
        others = [other for other in rows if other != row]
        right = [other[k] for other in others for k in range(tests) if row[k]]
        wrong = [other[k] for other in others for k in range(tests) if not row[k]]
        nx, ny = rows.count(row), sum(row)
        scores.append(
            log_beta(nx + 1000, codes - nx + 1)
            + log_beta(ny + 1000, tests - ny + 1)
            + log_beta(sum(right) + 1, len(right) - sum(right) + 1)
            + log_beta(sum(wrong) + 1, len(wrong) - sum(wrong) + 10_000)
        )
    return scores


def log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def slow_aces(rows: list[tuple[bool, ...]]) -> list[float]:
    weights = []
    for held_out in range(len(rows[0])):
        rest = [sum(row) - row[held_out] for row in rows]
        ahead = [
            1.0 if rest[i] > rest[j] else 0.5 if rest[i] == rest[j] else 0.0
            for i, j in product(range(len(rows)), repeat=2)
            if rows[i][held_out] and not rows[j][held_out]
        ]
        share = sum(row[held_out] for row in rows) / len(rows)
        weights.append(max(0.0, sum(ahead) / len(ahead) - 0.5) * share * (1 - share) if ahead else 0.0)
    return weights if any(weights) else [1.0] * len(weights)


# -- what holds for every rule ----------------------------------------------------------------------------------------


@RULE
@CROSS
@settings(deadline=None)
@given(passed=matrices(), seed=st.integers(0, 2**63 - 1))
def test_every_pair_is_true_by_construction(rule: str, cross_check: bool, passed: Bools, seed: int) -> None:
    pair = select(passed, rule, seed=seed, cross_check=cross_check)
    if pair is not None:
        assert passed[pair.chosen_code, pair.chosen_test]
        assert not passed[pair.rejected_code, pair.rejected_test]
        if cross_check:
            assert pair.chosen_code != pair.rejected_code
            assert passed[pair.chosen_code, pair.rejected_test]
            assert not passed[pair.rejected_code, pair.chosen_test]


@RULE
@CROSS
@settings(deadline=None)
@given(passed=matrices(most=4))
def test_there_is_no_pair_exactly_where_none_is_possible(rule: str, cross_check: bool, passed: Bools) -> None:
    possible = list(feasible(passed, cross_check))
    if rule in RANKING:
        scores = [round(score, 9) for score in code_scores(passed, rule)]
        possible = [pair for pair in possible if scores[pair.chosen_code] > scores[pair.rejected_code]]
    assert (select(passed, rule, seed=1, cross_check=cross_check) is None) == (not possible)


@RULE
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_an_empty_matrix_has_no_pair(rule: str, shape: tuple[int, int]) -> None:
    assert select(np.zeros(shape, dtype=np.bool_), rule, seed=0) is None


@RULE
@CROSS
@settings(deadline=None)
@given(passed=matrices(most=3), data=st.data())
def test_the_order_of_codes_and_tests_does_not_matter(
    rule: str, cross_check: bool, passed: Bools, data: st.DataObject
) -> None:
    rows = data.draw(st.permutations(range(passed.shape[0])))
    columns = data.draw(st.permutations(range(passed.shape[1])))
    mapped = {
        pair and Selection(rows[pair.chosen_code], columns[pair.chosen_test], rows[pair.rejected_code],
                           columns[pair.rejected_test]): chance
        for pair, chance in distribution(passed[rows][:, columns], rule, cross_check).items()
    }  # fmt: skip
    assert mapped == distribution(passed, rule, cross_check)


@RULE
@CROSS
@settings(deadline=None)
@given(passed=matrices(), seed=st.integers(0, 2**63 - 1))
def test_the_same_seed_gives_the_same_pair_and_leaves_the_matrix_alone(
    rule: str, cross_check: bool, passed: Bools, seed: int
) -> None:
    before = passed.copy()
    first = select(passed, rule, seed=seed, cross_check=cross_check)
    assert first == select(passed, rule, seed=seed, cross_check=cross_check)
    assert (passed == before).all()


@RULE
def test_ties_fall_evenly_over_seeds(rule: str) -> None:
    # Codes 0..3 are alike, codes 4 and 5 are alike, and so are all three tests: 4 * 2 * 3 * 3 pairs for most rules.
    passed = matrix("111", "111", "111", "111", "000", "000")
    runs = 3600
    drawn = [select(passed, rule, seed=seed) for seed in range(runs)]
    for field, size in (("chosen_code", 4), ("chosen_test", 3), ("rejected_code", 2), ("rejected_test", 3)):
        counts = Counter(getattr(pair, field) for pair in drawn)
        assert len(counts) == size
        chi_square = sum((count - runs / size) ** 2 / (runs / size) for count in counts.values())
        assert chi_square < 16.3, f"{field} {counts}"  # chance 0.001 with 3 degrees of freedom, less with fewer


# -- each rule against its definition ---------------------------------------------------------------------------------


@CROSS
@settings(deadline=None)
@given(passed=matrices(most=4))
def test_dstc_is_its_definition(cross_check: bool, passed: Bools) -> None:
    by_code, by_test = passed.sum(axis=1), passed.sum(axis=0)
    steps: list[Step] = [
        (lambda pair: pair.chosen_code, lambda pair: by_code[pair.chosen_code]),
        (lambda pair: pair.chosen_test, lambda pair: -by_test[pair.chosen_test]),
        (lambda pair: pair.rejected_test, lambda pair: by_test[pair.rejected_test]),
        (lambda pair: pair.rejected_code, lambda pair: -by_code[pair.rejected_code]),
    ]
    assert distribution(passed, "dstc", cross_check) == by_definition(list(feasible(passed, cross_check)), steps)


@settings(deadline=None)
@given(passed=matrices(most=4))
def test_plain_dstc_takes_each_extreme_over_the_whole_matrix(passed: Bools) -> None:
    pair = select(passed, "dstc", seed=3)
    if pair is None:
        assert not passed.any() or passed.all()
        return
    by_code, by_test = passed.sum(axis=1), passed.sum(axis=0)
    assert by_code[pair.chosen_code] == by_code.max()
    assert by_test[pair.chosen_test] == by_test[passed[pair.chosen_code]].min()
    assert by_test[pair.rejected_test] == by_test[by_test < len(passed)].max()
    assert by_code[pair.rejected_code] == by_code[~passed[:, pair.rejected_test]].min()


@pytest.mark.parametrize("rule", RANKING)
@CROSS
@settings(deadline=None)
@given(passed=matrices(most=4))
def test_a_ranking_rule_takes_its_best_against_its_worst_code(rule: str, cross_check: bool, passed: Bools) -> None:
    scores = [round(score, 9) for score in code_scores(passed, rule)]
    weights = slow_aces([tuple(map(bool, row)) for row in passed]) if rule == "aces" else [0.0] * passed.shape[1]
    pairs = [pair for pair in feasible(passed, cross_check) if scores[pair.chosen_code] > scores[pair.rejected_code]]
    steps: list[Step] = [
        (lambda pair: pair.chosen_code, lambda pair: scores[pair.chosen_code]),
        (lambda pair: pair.rejected_code, lambda pair: -scores[pair.rejected_code]),
        (lambda pair: pair.chosen_test, lambda pair: weights[pair.chosen_test]),
        (lambda pair: pair.rejected_test, lambda pair: weights[pair.rejected_test]),
    ]
    assert distribution(passed, rule, cross_check) == by_definition(pairs, steps)


@settings(deadline=None)
@given(passed=matrices(most=4))
def test_random_draws_every_passing_and_every_failing_cell_alike(passed: Bools) -> None:
    pairs = list(feasible(passed, cross_check=False))
    expected: dict[Selection | None, Fraction] = {pair: Fraction(1, len(pairs)) for pair in pairs}
    assert distribution(passed, "random", cross_check=False) == (expected or {None: Fraction(1)})


def only(passed: Bools, rule: str, cross_check: bool = False) -> Selection | None:
    (outcome,) = distribution(passed, rule, cross_check)
    return outcome


@CROSS
def test_the_worked_example_of_dstc(cross_check: bool) -> None:
    assert only(matrix("110", "100", "000"), "dstc", cross_check) == Selection(0, 1, 2, 0)


def test_plain_dstc_may_set_a_code_against_itself_and_the_cross_check_never() -> None:
    # Both codes pass one test; the tests are equally hard. j+ may be the code that fails k-.
    passed = matrix("10", "01")
    same = sum(
        chance
        for pair, chance in distribution(passed, "dstc", False).items()
        if pair and pair.chosen_code == pair.rejected_code
    )
    assert same == Fraction(1, 2)
    assert all(pair and pair.chosen_code != pair.rejected_code for pair in distribution(passed, "dstc", True))


def test_the_cross_check_finds_a_pair_where_filtering_would_lose_it() -> None:
    # Plain dstc: code 0 passes most; t2, the easiest test that some code fails, is failed by code 0 alone.
    passed = matrix("110", "001", "001", "001")
    assert set(distribution(passed, "dstc", False)) == {Selection(0, 0, 0, 2), Selection(0, 1, 0, 2)}
    crossed = {
        pair and (pair.chosen_code, pair.rejected_test, pair.rejected_code)
        for pair in distribution(passed, "dstc", True)
    }
    assert crossed == set(product([0], [0, 1], [1, 2, 3]))


def test_the_worked_example_of_random() -> None:
    passed = matrix("10", "11")
    assert distribution(passed, "random", False) == {
        Selection(0, 0, 0, 1): Fraction(1, 3),
        Selection(1, 0, 0, 1): Fraction(1, 3),
        Selection(1, 1, 0, 1): Fraction(1, 3),
    }
    assert only(passed, "random", True) == Selection(1, 1, 0, 1)


def test_the_worked_example_of_row_sum() -> None:
    outcomes = distribution(matrix("110", "100", "001"), "row_sum", False)
    assert {pair and (pair.chosen_code, pair.rejected_code) for pair in outcomes} == {(0, 1), (0, 2)}
    assert distribution(matrix("10", "01"), "row_sum", False) == {None: Fraction(1)}


def test_the_worked_example_of_codet() -> None:
    few = distribution(matrix("110", "110", "111", "000"), "codet", False)
    assert {pair and (pair.chosen_code, pair.rejected_code) for pair in few} == {(2, 3)}
    many = distribution(matrix("110", "110", "110", "111", "000"), "codet", False)
    assert {pair and pair.chosen_code for pair in many} == {0, 1, 2}


def test_the_worked_example_of_b4() -> None:
    passed = matrix("11", "00")
    assert b4_scores(passed, alpha=1, beta=1) == pytest.approx([log(1 / 54), log(1 / 54)])
    first, second = b4_scores(passed, alpha=1000, beta=1)
    assert first - second == pytest.approx(log(1000 * 1001 / 2))
    outcomes = distribution(passed, "b4", False)
    assert {pair and (pair.chosen_code, pair.rejected_code) for pair in outcomes} == {(0, 1)}


def test_the_worked_example_of_aces() -> None:
    passed = matrix("110", "110", "001", "000")
    assert aces_weights(passed) == pytest.approx([1 / 16, 1 / 16, 0])
    outcomes = distribution(passed, "aces", True)
    assert {pair and pair.chosen_code for pair in outcomes} == {0, 1}
    assert {pair and pair.rejected_code for pair in outcomes} == {2, 3}


def test_a_ranking_rule_never_sets_a_code_against_one_that_it_ranks_higher() -> None:
    # Eight codes that pass t0 alone score 1 * sqrt(8) = 2.83 under codet, the ninth scores 2. With the cross-check only
    # the ninth can be chosen, against a code that the rule prefers: no pair.
    passed = matrix(*["10"] * 8, "11")
    assert distribution(passed, "codet", True) == {None: Fraction(1)}
    assert distribution(passed, "row_sum", True).keys() == {Selection(8, 1, code, 1) for code in range(8)}
