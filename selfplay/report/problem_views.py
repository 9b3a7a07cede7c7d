"""Problems with their pass matrices and pairs, as many as a page can carry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from state.records import Matrix, Pair, Problem, Round, Sample
from state.store import Store

SHOWN = 60
"""Matrices shown in full, shared out over the rounds; the newest rounds come first where there are more rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A row or a column of a matrix."""

    name: str
    """"code 1", "test 3": its place in the matrix, counted from 1."""
    sample: Sample
    right: bool | None
    """By the hidden reference; None where the problem has none."""
    role: str | None
    """"chosen" | "rejected" | "both" | None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProblemView:
    """One problem in one round."""

    problem: Problem
    matrix: Matrix
    codes: tuple[Label, ...]
    tests: tuple[Label, ...]
    passed: tuple[str, ...]
    """C strings of T characters."""
    pair: Pair | None

    @property
    def passes(self) -> int:
        """Cells that passed."""
        return sum(row.count("1") for row in self.passed)

    def named(self, labels: Sequence[Label], sample_id: str) -> Label | None:
        """Return the row or column of a sample."""
        return next((label for label in labels if label.sample.id == sample_id), None)

    @property
    def sides(self) -> tuple[tuple[str, Label | None, Label | None, bool | None], ...]:
        """(side, code, test, whether the code is right) of the pair."""
        pair = self.pair
        if pair is None:
            return ()
        return (
            (
                "chosen",
                self.named(self.codes, pair.chosen_code_id),
                self.named(self.tests, pair.chosen_test_id),
                pair.chosen_right,
            ),
            (
                "rejected",
                self.named(self.codes, pair.rejected_code_id),
                self.named(self.tests, pair.rejected_test_id),
                pair.rejected_right,
            ),
        )


def problem_views(store: Store, rounds: Sequence[Round], shown: int = SHOWN) -> dict[str, tuple[ProblemView, ...]]:
    """Return the problems of each round that are shown, by the round's id.

    Those with a pair come before those without, in the order of the problems' files: no look at what became of them.

    Args:
        store: The run's database.
        rounds: By number.
        shown: Most problems in all.
    """
    problems = {problem.id: (place, problem) for place, problem in enumerate(store.all(Problem))}
    found: dict[str, tuple[ProblemView, ...]] = {}
    left = shown
    for turn in reversed(rounds):
        share = min(left, max(1, shown // max(1, len(rounds))))
        if share <= 0:
            break
        pairs = {pair.problem_id: pair for pair in store.all(Pair, round_id=turn.id)}
        matrices = store.all(Matrix, round_id=turn.id)
        matrices.sort(key=lambda matrix: (matrix.problem_id not in pairs, problems[matrix.problem_id][0]))
        found[turn.id] = tuple(
            _view(store, problems[matrix.problem_id][1], matrix, pairs.get(matrix.problem_id))
            for matrix in matrices[:share]
        )
        left -= len(found[turn.id])
    return found


def _view(store: Store, problem: Problem, matrix: Matrix, pair: Pair | None) -> ProblemView:
    samples = {
        sample.id: sample
        for kind in ("code", "test")
        for sample in store.samples_of(matrix.round_id, matrix.problem_id, kind)
    }

    def labels(kind: str, text: str, right: str | None) -> tuple[Label, ...]:
        return tuple(
            Label(
                name=f"{kind} {place + 1}",
                sample=samples[key],
                right=None if right is None else right[place] == "1",
                role=_role(pair, key, kind),
            )
            for place, key in enumerate(json.loads(text))
        )

    return ProblemView(
        problem=problem,
        matrix=matrix,
        codes=labels("code", matrix.code_ids, matrix.code_right),
        tests=labels("test", matrix.test_ids, matrix.test_right),
        passed=tuple(json.loads(matrix.passed)),
        pair=pair,
    )


def _role(pair: Pair | None, sample_id: str, kind: str) -> str | None:
    if pair is None:
        return None
    code = kind == "code"
    chosen = sample_id == (pair.chosen_code_id if code else pair.chosen_test_id)
    rejected = sample_id == (pair.rejected_code_id if code else pair.rejected_test_id)
    if chosen and rejected:
        return "both"
    return "chosen" if chosen else "rejected" if rejected else None
