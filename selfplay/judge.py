"""Codes x tests -> pass matrix.

One problem at a time: every sampled code meets every sampled test in the sandbox, together with the controls that make
the matrix worth learning from:

* canaries: tests that no code can pass. A code that passes one has fooled the harness; it is left out ("tampered").
* a stub that returns None: a test that the stub passes says nothing ("vacuous") and is left out if the config says so.
* the problem's own reference and reference tests, where it has them, tell how right the samples are. They are measured
  and stored, and selection never sees them.

A test whose verdicts came from a kind of harness that may not label pairs (`select.trusts`) is left out as well.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sandbox import Sandbox, Status, Verdict
from selfplay.sections import Select
from state.records import Execution, Matrix, Problem, Sample, content_id

GIVE_UP_AFTER = 3
"""Timeouts of a code after which its other tests are not run: they would take most of a round, and pass nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything the sandbox said about one problem in one round."""

    matrix: Matrix
    executions: tuple[Execution, ...]


def stub(entry_point: str) -> str:
    """Return a program that defines the entry point and does nothing."""
    return f"def {entry_point}(*args, **kwargs):\n    return None\n"


def canaries(entry_point: str, tests: Sequence[str]) -> tuple[str, ...]:
    """Return tests that no code can pass: a bare false, and a real call compared with a fresh object."""
    for source in tests:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == entry_point:
                return "assert False", f"assert {ast.unparse(node)} == object()"
    return ("assert False",)


def judge(
    box: Sandbox,
    problem: Problem,
    codes: Sequence[Sample],
    tests: Sequence[Sample],
    *,
    round_id: str,
    seed: int,
    section: Select,
) -> Judgement:
    """Run every code against every test and the controls.

    Args:
        box: An open sandbox.
        problem: The problem; its entry point must be known.
        codes: C usable code samples.
        tests: T usable test samples.
        round_id: Round that the results belong to.
        seed: Seed of `random` inside every execution.
        section: What leaves a test out.

    Returns:
        The matrix of the samples that count, and every execution made for it.

    Raises:
        sandbox.SandboxError: The host failed; no verdict was made up for it.
    """
    entry_point = problem.entry_point or ""
    references = [problem.reference] if problem.reference else []
    truths = ["\n".join(json.loads(problem.reference_tests))] if problem.reference_tests else []
    traps = canaries(entry_point, [test.source for test in tests])
    if codes and tests:
        rows = box.run_matrix(
            [stub(entry_point), *(code.source for code in codes), *references],
            [*traps, *(test.source for test in tests), *truths],
            entry_point=entry_point,
            seed=seed,
            give_up_after=GIVE_UP_AFTER,
        )
    else:
        rows = []
    return _assemble(rows, problem, codes, tests, len(traps), round_id, box.level, section)


def _assemble(
    rows: list[list[Verdict]],
    problem: Problem,
    codes: Sequence[Sample],
    tests: Sequence[Sample],
    traps: int,
    round_id: str,
    level: str,
    section: Select,
) -> Judgement:
    executions: list[Execution] = []

    def note(role: str, code: Sample | None, test: Sample | None, verdict: Verdict, which: int = 0) -> bool:
        code_id, test_id = code.id if code else None, test.id if test else None
        executions.append(
            Execution(
                id=content_id(round_id, problem.id, role, code_id, test_id, which),
                round_id=round_id,
                problem_id=problem.id,
                role=role,
                code_id=code_id,
                test_id=test_id,
                status=verdict.status.value,
                trust=verdict.trust,
                level=level,
                wall_s=verdict.wall_s,
                cpu_s=verdict.cpu_s,
                peak_rss_bytes=verdict.peak_rss_bytes,
                detail=verdict.detail[:500],
            )
        )
        return verdict.status is Status.PASSED

    vacuous = np.zeros(len(tests), dtype=bool)
    trusted = np.ones(len(tests), dtype=bool)
    tampered = np.zeros(len(codes), dtype=bool)
    passed = np.zeros((len(codes), len(tests)), dtype=bool)
    code_right = np.zeros(len(codes), dtype=bool)
    test_right = np.zeros(len(tests), dtype=bool)
    if rows:
        vacuous[:] = [note("stub", None, test, rows[0][traps + k]) for k, test in enumerate(tests)]
        for j, code in enumerate(codes):
            row = rows[1 + j]
            tampered[j] = any([note("canary", code, None, row[i], i) for i in range(traps)])
            for k, test in enumerate(tests):
                verdict = row[traps + k]
                passed[j, k] = note("cell", code, test, verdict)
                tampered[j] |= verdict.status is Status.TAMPERED
                trusted[k] &= verdict.trust in section.trusts
            if problem.reference_tests:
                code_right[j] = note("code_truth", code, None, row[-1])
        if problem.reference:
            test_right[:] = [note("test_truth", None, test, rows[-1][traps + k]) for k, test in enumerate(tests)]
    keep_codes = np.flatnonzero(~tampered)
    keep_tests = np.flatnonzero(trusted & ~(vacuous & section.drop_vacuous))
    kept = passed[np.ix_(keep_codes, keep_tests)]
    return Judgement(
        executions=tuple(executions),
        matrix=Matrix(
            id=content_id(round_id, problem.id, "matrix"),
            round_id=round_id,
            problem_id=problem.id,
            code_ids=json.dumps([codes[j].id for j in keep_codes]),
            test_ids=json.dumps([tests[k].id for k in keep_tests]),
            passed=json.dumps([_bits(row) for row in kept]),
            code_right=_bits(code_right[keep_codes]) if problem.reference_tests else None,
            test_right=_bits(test_right[keep_tests]) if problem.reference else None,
            tampered=int(tampered.sum()),
            vacuous=int(vacuous.sum()),
        ),
    )


def _bits(mask: np.ndarray) -> str:
    return "".join("1" if value else "0" for value in mask)


def as_bools(bits: str | None) -> list[bool] | None:
    """Return the booleans that a string of "0" and "1" stands for; None stays None."""
    return None if bits is None else [bit == "1" for bit in bits]


def pass_matrix(matrix: Matrix) -> np.ndarray:
    """Return `matrix.passed` as booleans, shape (C, T)."""
    rows: list[str] = json.loads(matrix.passed)
    tests = len(json.loads(matrix.test_ids))
    return np.array([[bit == "1" for bit in row] for row in rows], dtype=bool).reshape(len(rows), tests)
