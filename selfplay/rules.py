"""Selection rules: a pass matrix of one problem -> one preference, or None.

Every rule is a pure function of `passed`, (C, T) bool, where `passed[j, k]` says that code j passes test k. All of them
return a pair that is true by construction: the chosen code passes the chosen test, the rejected code fails the rejected
test. Ties are broken by `choose(n)`, which returns a uniform index below n, never by position.

`cross_check` asks for more: the chosen code passes the rejected test too, and the rejected code fails the chosen test
too (so the two codes differ). It is a constraint of the search, not a filter on its result: a filter would throw away a
problem whose best unconstrained pair fails the check although another pair, as good at each earlier step, passes it.
Each step takes the best choice that some complete pair still allows; as each step only needs one completion to exist,
no step is ever taken back, and the result is the best pair in the order of the steps.

Not covered: whether tests or codes are right. A rule sees who agrees with whom; when most codes share a mistake that
the tests share too, every rule here prefers the mistake.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lgamma
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Bools: TypeAlias = NDArray[np.bool_]
Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Choose: TypeAlias = Callable[[int], int]
"""n >= 1 -> a number in 0..n-1, each with the same chance."""

B4_ALPHA = 1e3
"""Prior weight of "codes and tests are mostly right" in rule "b4"."""
B4_BETA = 1e4
"""Prior weight of "a wrong code rarely passes a wrong test" in rule "b4"."""


@dataclass(frozen=True, slots=True)
class Selection:
    """One preference, as indices into the pass matrix."""

    chosen_code: int
    chosen_test: int
    rejected_code: int
    rejected_test: int


def dstc(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the minimax pair: the strongest code with its hardest test against the weakest with the easiest it fails.

    Steps, each over what the later steps still allow: j+ passes most tests; k+ is passed by fewest codes among the
    tests that j+ passes; k- is passed by most codes among the tests that some code fails; j- passes fewest tests among
    the codes that fail k-. Without `cross_check` this is the paper's rule to the letter, including that j+ and j- may
    be the same code with two different tests.

    Worked example, rows are codes, columns are tests:

             t0 t1 t2 | sum
        c0    1  1  0 |  2      j+ = c0 (2 tests)
        c1    1  0  0 |  1      k+ = t1 (passed by 1; t0 is passed by 2)
        c2    0  0  0 |  0      k- = t0 (passed by 2 of 3, so c2 fails it)
        sum   2  1  0           j- = c2 (fails t0, passes nothing)

    c0 passes t0 as well and c2 fails t1 as well, so `cross_check` changes nothing here.

    Source: Liu et al. 2024, arXiv:2411.13611, minimax selection. Deviation: ties are broken at random, and
    `cross_check` is ours.
    """
    by_code, by_test = passed.sum(axis=1), passed.sum(axis=0)
    wins, fails = passed, ~passed
    if cross_check:
        wins = passed & _some(fails, axis=0)
    if not wins.any() or not fails.any():
        return None
    chosen_code = _pick(choose, _some(wins, axis=1), by_code)
    chosen_test = _pick(choose, wins[chosen_code, :], -by_test)
    if cross_check:
        fails = fails & passed[chosen_code] & fails[:, chosen_test, None]
    rejected_test = _pick(choose, _some(fails, axis=0), by_test)
    rejected_code = _pick(choose, fails[:, rejected_test], -by_code)
    return Selection(chosen_code, chosen_test, rejected_code, rejected_test)


def random(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return a passing and a failing cell, each drawn uniformly: the baseline that any rule must beat.

    With `cross_check` the passing cell is drawn from those that some failing cell completes, then the failing cell from
    those that complete it.

    Worked example: in [[1, 0], [1, 1]] the chosen cell is (0, 0), (1, 0) or (1, 1), each with chance 1/3, and the
    rejected cell is always (0, 1). With `cross_check` only (1, 1) against (0, 1) is left.

    Source: ours.
    """
    wins, fails = passed, ~passed
    if cross_check:
        wins = passed & _some(fails, axis=0)
    if not wins.any() or not fails.any():
        return None
    chosen_code, chosen_test = _draw(choose, wins)
    if cross_check:
        fails = fails & passed[chosen_code] & fails[:, chosen_test, None]
    rejected_code, rejected_test = _draw(choose, fails)
    return Selection(chosen_code, chosen_test, rejected_code, rejected_test)


def row_sum(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the code that passes most tests against the one that passes fewest, with tests drawn uniformly.

    Worked example: the rows of [[1, 1, 0], [1, 0, 0], [0, 0, 1]] sum to 2, 1, 1. The chosen code is 0, the rejected one
    is 1 or 2 with equal chance. None where all codes pass equally many tests.

    Source: the usual "best against worst by tests passed", here with strict inequality.
    """
    return _by_codes(passed, passed.sum(axis=1).astype(np.float64), np.zeros(passed.shape[1]), choose, cross_check)


def codet(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the code of the best against one of the worst consensus set, with tests drawn uniformly.

    Codes with the same pass vector form a set; its score is (tests passed) * sqrt(codes in the set).

    Worked example: the rows 110, 110, 111, 000 give sets {0, 1}: 2 * sqrt(2) = 2.83, {2}: 3 * 1 = 3 and {3}: 0. Code 2
    is chosen, code 3 rejected. A third row 110 would turn it over: 2 * sqrt(3) = 3.46.

    Source: Chen et al. 2022, arXiv:2207.10397, the score as in its experiments (square root of the number of codes).
    Deviation: the paper picks a best code; a rejected code (worst set) and tests are ours.
    """
    scores = passed.sum(axis=1) * np.sqrt(_same(passed).sum(axis=1))
    return _by_codes(passed, scores, np.zeros(passed.shape[1]), choose, cross_check)


def b4(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the most against the least probable code under B4's posterior, with tests drawn uniformly.

    A consensus set (codes with one pass vector) stands for the hypothesis "exactly these nx codes are right, exactly
    the ny tests that they pass are right". With N codes and M tests, n1 of the m1 = (N - nx) * ny cells of other codes
    on right tests pass, and n0 of the m0 = (N - nx) * (M - ny) cells of other codes on wrong tests. The score is
    the log of

        B(nx + a, N - nx + 1) * B(ny + a, M - ny + 1) * B(n1 + 1, m1 - n1 + 1) * B(n0 + 1, m0 - n0 + b)

    with the beta function B, a = B4_ALPHA (codes and tests tend to be right) and b = B4_BETA (a wrong code rarely
    passes a wrong test). Right codes pass right tests and fail wrong ones in every hypothesis, and add no factor.

    Worked example, a = b = 1, rows 11 and 00. Set {0}: nx = 1, ny = 2, m1 = 2, n1 = 0, m0 = 0, thus
    B(2, 2) * B(3, 1) * B(1, 3) * B(1, 1) = 1/6 * 1/3 * 1/3 * 1 = 1/54. Set {1}: nx = 1, ny = 0, m1 = 0, m0 = 2, n0 = 2,
    thus B(2, 2) * B(1, 3) * B(1, 1) * B(3, 1) = 1/54: flat priors cannot tell them apart. With a = 1000 set {0} wins by
    B(1002, 1) / B(1000, 3), about 10^6 / 2.

    Source: Chen et al. 2024, arXiv:2409.08692; the product of four beta functions and prior weights as in the
    experiments published with it (a = 1e3, b from 1e4 to 1e6). Deviation: the priors are not tuned to the model, and
    the rejected code (lowest posterior) and both tests are ours.
    """
    return _by_codes(passed, b4_scores(passed), np.zeros(passed.shape[1]), choose, cross_check)


def b4_scores(passed: Bools, alpha: float = B4_ALPHA, beta: float = B4_BETA) -> Floats:
    """Return the log score of each code's consensus set, (C,); see `b4`."""
    codes, tests = passed.shape
    scores = np.empty(codes)
    for code, same in enumerate(_same(passed)):
        vector = passed[code]
        on_right, on_wrong = passed[~same][:, vector], passed[~same][:, ~vector]
        nx, ny, n1, n0 = int(same.sum()), int(vector.sum()), int(on_right.sum()), int(on_wrong.sum())
        scores[code] = (
            _log_beta(nx + alpha, codes - nx + 1)
            + _log_beta(ny + alpha, tests - ny + 1)
            + _log_beta(n1 + 1, on_right.size - n1 + 1)
            + _log_beta(n0 + 1, on_wrong.size - n0 + beta)
        )
    return scores


def aces(passed: Bools, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the best against the worst code by weighted tests, each with the weightiest test that proves it.

    A test's weight says how well its verdicts agree with the ranking of the codes by all other tests; see
    `aces_weights`. A code's score is the sum of the weights of the tests it passes.

    Worked example, rows 110, 110, 001, 000: by t1 and t2 the codes score 1, 1, 1, 0. Of the 2 * 2 pairs of a code that
    passes t0 with one that fails it, 2 are ranked higher and 2 tie: AUC = (2 + 2/2) / 4 = 0.75. By symmetry t1 has 0.75
    too. By t0 and t1 the codes score 2, 2, 0, 0, so t2 (only code 2 passes) loses to 0 and 1 and ties with 3:
    AUC = 0.5 / 3 = 0.17, weight 0. Weights: (0.75 - 0.5) * 0.5 * 0.5 = 1/16, 1/16, 0. Codes 0 and 1 score 1/8, codes 2
    and 3 score 0.

    Source: Sun et al. 2026, arXiv:2604.03922: the leave-one-out AUC of a test, and that its excess over 1/2 is
    proportional to the test's power to separate right from wrong codes. Deviation: the weight's closed form is derived
    here, not copied (see `aces_weights`), there is no iterated variant, and the rejected code and both tests are ours.
    """
    weights = aces_weights(passed)
    return _by_codes(passed, passed @ weights, weights, choose, cross_check)


def aces_weights(passed: Bools) -> Floats:
    """Return a weight >= 0 of each test, (T,): (AUC - 1/2) clipped at 0, times p * (1 - p).

    AUC is the chance that a code which passes the test outranks one that fails it by the number of other tests passed
    (ties count half); p is the share of codes that pass. The factor: with a share q of right codes and pass rates u of
    right and v of wrong codes, a passing code is right with chance q * u / p, and

        P(right | pass) - P(right | fail) = q * (1 - q) * (u - v) / (p * (1 - p)).

    The excess of the AUC is proportional to this difference, so p * (1 - p) times the excess is proportional to u - v,
    the separating power, with one constant for all tests (as far as the others' ranking hardly depends on which one is
    held out). Where no test has any weight (one test, or none that agrees with the rest), all weigh 1.
    """
    tests = passed.shape[1]
    weights = np.zeros(tests)
    totals = passed.sum(axis=1)
    for test in range(tests):
        votes = passed[:, test]
        rest = totals - votes
        ahead = rest[votes][:, None] - rest[~votes][None, :]
        if ahead.size:
            auc = ((ahead > 0).sum() + (ahead == 0).sum() / 2) / ahead.size
            weights[test] = max(0.0, auc - 0.5) * votes.mean() * (1 - votes.mean())
    return weights if weights.any() else np.ones(tests)


RULES: dict[str, Callable[[Bools, Choose, bool], Selection | None]] = {
    "dstc": dstc,
    "random": random,
    "row_sum": row_sum,
    "codet": codet,
    "b4": b4,
    "aces": aces,
}


def _by_codes(passed: Bools, codes: Floats, tests: Floats, choose: Choose, cross_check: bool) -> Selection | None:
    """Return the pair of a rule that scores codes: best code, worst code, then the best-scored test that proves each.

    The chosen code must score strictly higher than the rejected one: a rule that cannot tell two codes apart, or that
    prefers the one that would be rejected, has no say, and the answer is None.
    """
    scores = _ranks(codes)
    possible = _beats(passed) if cross_check else np.outer(passed.any(axis=1), ~passed.all(axis=1))
    possible = np.logical_and(possible, scores[:, None] > scores)
    if not possible.any():
        return None
    chosen_code = _pick(choose, _some(possible, axis=1), scores)
    rejected_code = _pick(choose, possible[chosen_code, :], -scores)
    wins, fails = passed[chosen_code], ~passed[rejected_code]
    if cross_check:
        wins = fails = np.logical_and(wins, fails)
    values = _ranks(tests)
    chosen_test, rejected_test = _pick(choose, wins, values), _pick(choose, fails, values)
    return Selection(chosen_code, chosen_test, rejected_code, rejected_test)


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _beats(passed: Bools) -> Bools:
    """Return (C, C) bool: row code passes some test that the column code fails."""
    return np.asarray(passed.astype(np.int64) @ (~passed).T.astype(np.int64) > 0)


def _some(cells: Bools, *, axis: int) -> Bools:
    return np.asarray(cells.any(axis=axis))


def _same(passed: Bools) -> Bools:
    """Return (C, C) bool: both codes have the same pass vector."""
    return np.asarray((passed[:, None, :] == passed[None, :, :]).all(axis=2))


def _ranks(scores: Floats) -> Ints:
    """Return dense ranks, equal where scores differ by rounding alone, so that the order of columns cannot matter."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    steps = ~np.isclose(ordered[1:], ordered[:-1], rtol=1e-9, atol=1e-12)
    ranks = np.zeros(len(scores), dtype=np.int64)
    ranks[order[1:]] = np.cumsum(steps)
    return ranks


def _pick(choose: Choose, allowed: Bools, score: Ints) -> int:
    """Return one of the allowed indices with the highest score, each with the same chance."""
    indices = np.flatnonzero(allowed)
    best = indices[score[indices] == score[indices].max()]
    return int(best[choose(len(best))])


def _draw(choose: Choose, cells: Bools) -> tuple[int, int]:
    """Return one of the true cells, each with the same chance."""
    code, test = np.argwhere(cells)[choose(int(cells.sum()))]
    return int(code), int(test)
