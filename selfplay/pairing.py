"""The select stage as a pure function: matrices in, preference pairs and every rule's reliability out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfplay import prompts
from selfplay.judge import as_bools, pass_matrix
from selfplay.pairs import RULES, Counts, Selection, derive_seed, eligible, reliability, select, similarity
from selfplay.sections import Select
from state.records import Matrix, Pair, Problem, Reliability, Sample, content_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairing:
    """What selection made of one round's matrices."""

    pairs: tuple[Pair, ...]
    reliability: tuple[Reliability, ...]
    """One per rule, the configured one and the others alike."""
    too_similar: int
    """Pairs dropped because their two sides are nearly the same text."""


def make_pairs(
    matrices: Sequence[Matrix],
    samples: Mapping[str, Sample],
    problems: Mapping[str, Problem],
    *,
    section: Select,
    seeds: tuple[int, int],
) -> Pairing:
    """Select at most one pair from each matrix.

    Args:
        matrices: The round's matrices; all of one round.
        samples: Sample id -> sample, for every id in the matrices.
        problems: Problem id -> problem.
        section: The rule that trains, and its filters.
        seeds: The run's seed and the round's number; ties are broken from them and the problem's id.

    Returns:
        The configured rule's pairs, and how often the pairs of each rule tell the truth where that is known.
    """
    pairs: list[Pair] = []
    counts = dict.fromkeys(RULES, Counts())
    too_similar = 0
    for matrix in matrices:
        passed = pass_matrix(matrix)
        seed = derive_seed(*seeds, matrix.problem_id, "select")
        code_right = as_bools(matrix.code_right)
        test_right = as_bools(matrix.test_right)
        for rule in RULES:
            selection = select(passed, rule, seed=seed, cross_check=section.cross_check)
            if selection is None or not eligible(
                passed, selection, min_passed=section.min_passed, min_agree=section.min_agree
            ):
                continue
            counts[rule] += reliability(selection, code_right, test_right)
            if rule == section.rule:
                pair = _pair(matrix, selection, samples, problems[matrix.problem_id], section, code_right)
                same = pair.chosen == pair.rejected
                if same or similarity(pair.chosen, pair.rejected) > section.max_similarity:
                    too_similar += 1
                else:
                    pairs.append(pair)
    measured = tuple(
        Reliability(
            id=content_id(matrices[0].round_id, "reliability", rule),
            round_id=matrices[0].round_id,
            rule=rule,
            pairs=count.pairs,
            measured=count.measured,
            good=count.good,
            inverted=count.inverted,
            tests_measured=count.tests_measured,
            tests_right=count.tests_right,
        )
        for rule, count in counts.items()
        if matrices
    )
    return Pairing(pairs=tuple(pairs), reliability=measured, too_similar=too_similar)


def _pair(
    matrix: Matrix,
    selection: Selection,
    samples: Mapping[str, Sample],
    problem: Problem,
    section: Select,
    code_right: list[bool] | None,
) -> Pair:
    code_ids, test_ids = json.loads(matrix.code_ids), json.loads(matrix.test_ids)
    chosen_code, chosen_test = samples[code_ids[selection.chosen_code]], samples[test_ids[selection.chosen_test]]
    rejected_code, rejected_test = (
        samples[code_ids[selection.rejected_code]],
        samples[test_ids[selection.rejected_test]],
    )
    messages = prompts.pair_messages(problem.prompt, problem.signature or "", concat=section.concat)
    return Pair(
        id=content_id(matrix.round_id, problem.id, "pair"),
        round_id=matrix.round_id,
        problem_id=problem.id,
        rule=section.rule,
        chosen_code_id=chosen_code.id,
        chosen_test_id=chosen_test.id,
        rejected_code_id=rejected_code.id,
        rejected_test_id=rejected_test.id,
        prompt=json.dumps(messages),
        chosen=prompts.response_text(chosen_code.source, chosen_test.source, concat=section.concat),
        rejected=prompts.response_text(rejected_code.source, rejected_test.source, concat=section.concat),
        chosen_right=code_right[selection.chosen_code] if code_right else None,
        rejected_right=code_right[selection.rejected_code] if code_right else None,
    )
