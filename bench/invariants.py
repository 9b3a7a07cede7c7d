"""What must hold in the database of any finished run, however often it was killed: nothing lost, nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from selfplay import config
from selfplay.errors import HostError
from selfplay.judge import pass_matrix
from selfplay.pairing import make_pairs
from selfplay.pairs import derive_seed, select
from selfplay.scoring import decoding
from selfplay.train import adapter_sha256
from state.records import (
    Adapter,
    Execution,
    GroundTruth,
    Matrix,
    Pair,
    Problem,
    Promotion,
    Reply,
    Round,
    Run,
    Sample,
    Score,
    Stage,
    TrainStep,
)
from state.store import Store

STAGES = {"problems", "code", "tests", "judge", "select", "train", "benchmark", "gate"}


def violations(folder: Path) -> list[str]:
    """Return what does not hold in the run of this folder, whose rounds are all finished."""
    with Store.open(folder / "run.db", read_only=True) as store:
        settings = config.from_json(store.all(Run)[0].config)
        found = []
        for round_ in store.all(Round):
            if round_.finished_at is None:
                found.append(f"round {round_.number} is not finished")
            for check in (_stages, _replies, _cells, _pairs):
                found += [f"round {round_.number}: {line}" for line in check(store, settings, round_)]
            found += [f"round {round_.number}: {line}" for line in _adapter(store, folder, round_)]
        return found + list(_scores(store, settings))


def _stages(store: Store, _: config.Config, round_: Round) -> Iterator[str]:
    names = Counter(stage.name for stage in store.all(Stage, round_id=round_.id))
    if names != Counter(STAGES):
        yield f"stages {dict(names)}"
    if store.count(Promotion, round_id=round_.id) != 1:
        yield "not one decision"


def _replies(store: Store, settings: config.Config, round_: Round) -> Iterator[str]:
    section = settings.generate
    problems = {matrix.problem_id for matrix in store.all(Matrix, round_id=round_.id)}
    if not problems:
        yield "no problem was judged"
    for kind, count in (("code", section.codes), ("test", section.test_replies)):
        positions: dict[str, list[int]] = {}
        for reply in store.all(Reply, round_id=round_.id, kind=kind):
            positions.setdefault(reply.problem_id, []).append(reply.position)
        if positions.keys() != problems:
            yield f"{kind} replies to {len(positions)} problems, matrices of {len(problems)}"
        for problem_id, numbers in positions.items():
            if sorted(numbers) != list(range(count)):
                yield f"problem {problem_id}: {kind} replies {sorted(numbers)}, wanted {count}"


def _cells(store: Store, _: config.Config, round_: Round) -> Iterator[str]:
    for matrix in store.all(Matrix, round_id=round_.id):
        of = {"round_id": round_.id, "problem_id": matrix.problem_id}
        codes = [sample.id for sample in store.samples_of(round_.id, matrix.problem_id, "code")]
        tests = [sample.id for sample in store.samples_of(round_.id, matrix.problem_id, "test")]
        cells = store.all(Execution, role="cell", **of)
        if Counter((cell.code_id, cell.test_id) for cell in cells) != Counter((c, t) for c in codes for t in tests):
            yield f"problem {matrix.problem_id}: {len(cells)} cells of {len(codes)} codes and {len(tests)} tests"
        passed = {(cell.code_id, cell.test_id): cell.status == "passed" for cell in cells}
        stored = pass_matrix(matrix)
        for j, code in enumerate(json.loads(matrix.code_ids)):
            for k, test in enumerate(json.loads(matrix.test_ids)):
                if passed.get((code, test)) != stored[j, k]:
                    yield f"problem {matrix.problem_id}: the matrix and the execution of {code}, {test} differ"


def _pairs(store: Store, settings: config.Config, round_: Round) -> Iterator[str]:
    matrices = store.all(Matrix, round_id=round_.id)
    samples = {sample.id: sample for sample in store.all(Sample, round_id=round_.id)}
    problems = {problem.id: problem for problem in store.all(Problem)}
    seeds = (settings.seed, round_.number)
    pairs = store.all(Pair, round_id=round_.id)
    again = make_pairs(matrices, samples, problems, section=settings.select, seeds=seeds).pairs
    if sorted(pairs, key=repr) != sorted(again, key=repr):
        yield f"{len(pairs)} pairs are stored, and the matrices give {len(again)}, not all the same"
    by_problem = {matrix.problem_id: matrix for matrix in matrices}
    for pair in pairs:
        matrix = by_problem[pair.problem_id]
        seed = derive_seed(*seeds, pair.problem_id, "select")
        chosen = select(pass_matrix(matrix), pair.rule, seed=seed, cross_check=settings.select.cross_check)
        codes, tests = json.loads(matrix.code_ids), json.loads(matrix.test_ids)
        ids = chosen and (
            codes[chosen.chosen_code], tests[chosen.chosen_test],
            codes[chosen.rejected_code], tests[chosen.rejected_test],
        )  # fmt: skip
        if ids != (pair.chosen_code_id, pair.chosen_test_id, pair.rejected_code_id, pair.rejected_test_id):
            yield f"pair {pair.id} is not what the matrix and the seed give"


def _adapter(store: Store, folder: Path, round_: Round) -> Iterator[str]:
    adapters = store.all(Adapter, round_id=round_.id)
    if len(adapters) != 1:
        yield f"{len(adapters)} adapters"
    for adapter in adapters:
        steps = [step.step for step in store.all(TrainStep, round_id=round_.id)]
        if steps != list(range(1, adapter.steps + 1)):
            yield f"steps {steps}, wanted {adapter.steps}"
        if adapter.path is not None:
            try:
                digest = adapter_sha256(folder / adapter.path)
            except HostError as error:
                yield str(error)
                continue
            if digest != adapter.sha256:
                yield f"adapter {adapter.id}: the file's hash is {digest}, the row's {adapter.sha256}"


def _scores(store: Store, settings: config.Config) -> Iterator[str]:
    section = settings.benchmark
    candidates = {adapter.id for adapter in store.all(Adapter) if adapter.sha256 is not None}
    weights = {store.all(Run)[0].model_sha256, *candidates}
    whole = not settings.gate.curtail
    scores = store.all(Score)
    if {score.weights_id for score in scores} != weights:
        yield "not all weights have scores, or others have"
    counts = Counter((s.weights_id, s.benchmark, s.decoding, s.task_id, s.position) for s in scores)
    yield from (f"score {key} is there {count} times" for key, count in counts.items() if count > 1)
    for name in (*section.gate, *section.audit):
        tasks = {truth.task_id for truth in store.all(GroundTruth, benchmark=name) if truth.passed}
        wanted = {(task, position) for task in tasks for position in range(section.samples)}
        for weights_id in weights:
            have = {(s.task_id, s.position) for s in store.scores(weights_id, name, decoding(section))}
            if have - wanted or (whole and have != wanted):
                yield f"weights {weights_id}: {len(have)} scores of {name}, wanted {len(wanted)}"
