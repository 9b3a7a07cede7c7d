"""A candidate's scoring ends when its fate is certain; no decision, level or restart depends on it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import Sandbox
from selfplay import benchmark, sections
from selfplay.contest import Contest
from selfplay.engines import Engines, Weights
from selfplay.gate import Decision
from selfplay.generate import Answer, Request
from selfplay.progress import Progress
from selfplay.scoring import Scorer
from state.records import Adapter, Promotion, Score, content_id
from state.store import Store
from tests import scripted_loop
from tests.fakes import ScriptedGenerator
from tests.script import Script
from tests.tables import rows

ROOT = Path(__file__).parent.parent
CHAMPION, CANDIDATE = Weights(id="champion", adapter=None), Weights(id="candidate", adapter=None)
SECTION = sections.Benchmark(gate=("humaneval",), audit=("other",))
TASKS = {
    "other": tuple(dataclasses.replace(task, benchmark="other") for task in benchmark.load("humaneval", limit=4)),
    "humaneval": benchmark.load("humaneval", limit=16),
}


def score(weights: Weights, name: str, task_id: str, passed: bool, decoding: str) -> Score:
    return Score(
        id=content_id(weights.id, name, task_id), weights_id=weights.id, benchmark=name, decoding=decoding,
        task_id=task_id, position=0, reply="", source="", passed=passed, status="passed" if passed else "failed",
        trust="split", tokens=1, wall_s=0.1,
    )  # fmt: skip


class Shuffled(ScriptedGenerator):
    """Answers in another order than asked."""

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        answers = list(super().generate(requests, on_progress))
        random.Random(self.weights.id).shuffle(answers)  # noqa: S311
        yield from answers


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(workers=2) as sandbox:
        yield sandbox


def played(
    folder: Path, box: Sandbox, skill: dict[str, float], *, curtail: bool = True, shuffled: bool = False
) -> tuple[Decision, set[str], set[str]]:
    """Score both sides and decide; return the decision and the candidate's scored gate and audit tasks."""
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(Store.open(folder / "run.db", create=True))
        progress = Progress()
        progress.begin_round(1)
        scorer = Scorer(store, box, SECTION, TASKS, 0, progress)
        stack.callback(scorer.close)
        contest = Contest(store, scorer, sections.Gate(curtail=curtail))
        tasks = {f"{name}:{task.id}": task.canonical for name, group in TASKS.items() for task in group}
        made = Shuffled if shuffled else ScriptedGenerator
        engines = Engines(lambda weights: made(weights, Script(problems={}, tasks=tasks, skills=skill)))
        scorer.run(CHAMPION, engines)
        contest.score(CHAMPION, CANDIDATE, engines)
        decision = contest.decide(CHAMPION, CANDIDATE)
        scored = [{each.task_id for each in store.scores(CANDIDATE.id, name, scorer.decoding)} for name in TASKS]
        assert progress.stages["benchmark"].total in (0, progress.stages["benchmark"].done)
        return decision, scored[1], scored[0]


def test_a_hopeless_candidate_is_asked_no_more_than_it_takes_and_never_the_audit(tmp_path: Path, box: Sandbox) -> None:
    decision, gate_tasks, audit_tasks = played(tmp_path, box, {"champion": 0.5, "candidate": 0.0})
    assert "cut short after" in decision.reason
    assert 0 < decision.wins + decision.losses + decision.ties <= len(gate_tasks) < 16
    assert audit_tasks == set()


def test_a_candidate_with_a_chance_is_asked_everything(tmp_path: Path, box: Sandbox) -> None:
    decision, gate_tasks, audit_tasks = played(tmp_path, box, {"champion": 0.3, "candidate": 1.0})
    assert decision.promoted
    assert (len(gate_tasks), len(audit_tasks)) == (16, 4)
    assert [each.role for each in decision.evidence] == ["audit", "gate"]


def test_without_curtailment_everything_is_asked(tmp_path: Path, box: Sandbox) -> None:
    decision, gate_tasks, audit_tasks = played(tmp_path, box, {"champion": 0.5, "candidate": 0.0}, curtail=False)
    assert "cut short" not in decision.reason
    assert (len(gate_tasks), len(audit_tasks)) == (16, 4)


def test_the_order_in_which_answers_come_back_changes_no_word_of_the_decision(tmp_path: Path, box: Sandbox) -> None:
    skill = {"champion": 0.4, "candidate": 0.4}
    (tmp_path / "b").mkdir()
    assert played(tmp_path, box, skill)[0] == played(tmp_path / "b", box, skill, shuffled=True)[0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(audit=st.lists(st.booleans(), min_size=8, max_size=8), gate=st.lists(st.booleans(), min_size=16, max_size=16),
       curtail=st.booleans())  # fmt: skip
def test_no_score_of_an_audit_benchmark_can_change_the_decision(
    tmp_path: Path, box: Sandbox, audit: list[bool], gate: list[bool], curtail: bool
) -> None:
    decisions = []
    for given_audit in (audit, None):
        with Store.open(tmp_path / f"{random.random()}.db", create=True) as store:  # noqa: S311
            scorer = Scorer(store, box, SECTION, TASKS, 0, Progress())
            with store.transaction():
                for number, task in enumerate(TASKS["humaneval"]):
                    store.add(score(CHAMPION, "humaneval", task.id, number % 3 == 0, scorer.decoding))
                    store.add(score(CANDIDATE, "humaneval", task.id, gate[number], scorer.decoding))
                for number, task in enumerate(TASKS["other"] if given_audit else ()):
                    store.add(score(CHAMPION, "other", task.id, audit[number], scorer.decoding))
                    store.add(score(CANDIDATE, "other", task.id, audit[number + 4], scorer.decoding))
            decision = Contest(store, scorer, sections.Gate(curtail=curtail)).decide(CHAMPION, CANDIDATE)
        decisions.append(dataclasses.replace(decision, evidence=()))
    assert decisions[0] == decisions[1]


# -- in the loop ------------------------------------------------------------------------------------------------------

SETTINGS = ("benchmark.limit=24", "gate.curtail=true")
SKILL = 0.65


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run whose candidates are no better than the base."""
    runs = tmp_path_factory.mktemp("curtailed")
    assert scripted_loop.run(runs, "a", 2, overrides=SETTINGS, adapter_skill=SKILL) == 0
    return runs / "a"


def test_a_cut_short_round_is_a_look_and_every_level_is_as_without_curtailment(
    tmp_path: Path, undisturbed: Path
) -> None:
    whole = (*SETTINGS[:1], "gate.curtail=false")
    assert scripted_loop.run(tmp_path, "a", 2, overrides=whole, adapter_skill=SKILL) == 0
    with Store.open(undisturbed / "run.db", read_only=True) as store:
        cut = store.all(Promotion)
        adapter = store.all(Adapter)[0]
        assert store.count(Score, weights_id=adapter.id) < 24
    with Store.open(tmp_path / "a" / "run.db", read_only=True) as store:
        full = store.all(Promotion)
    assert all("cut short after" in each.reason for each in cut)
    assert [(each.promoted, each.alpha) for each in cut] == [(each.promoted, each.alpha) for each in full]
    assert [each.alpha for each in cut] == pytest.approx([0.05 / 2, 0.05 / 6])
    for early, late in zip(cut, full, strict=True):
        assert early.p_value is not None
        assert late.p_value is not None
        assert early.p_value <= late.p_value


@pytest.mark.parametrize("answers", [1, 3, 6])
def test_a_run_killed_while_a_candidate_is_scored_decides_the_same(
    tmp_path: Path, undisturbed: Path, answers: int
) -> None:
    line = [sys.executable, "-m", "tests.scripted_loop", str(tmp_path), "a", "2", "0.05", str(SKILL), *SETTINGS]
    process = subprocess.Popen(line, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 60
    while scored_candidates(tmp_path / "a" / "run.db") < answers:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert scripted_loop.run(tmp_path, "a", 2, overrides=SETTINGS, adapter_skill=SKILL) == 0
    resumed, whole = rows(tmp_path / "a" / "run.db"), rows(undisturbed / "run.db")
    assert {**resumed, "scores": []} == {**whole, "scores": []}
    counted = [set(found["scores"]) for found in (resumed, whole)]
    assert min(len(each) for each in counted) > 24
    assert abs(len(counted[0]) - len(counted[1])) <= 2 * 8, "what was in flight, and no more"


def scored_candidates(database: Path) -> int:
    """Return how many scores a candidate has so far."""
    if not database.exists():
        return 0
    with Store.open(database, read_only=True) as store:
        return sum(store.count(Score, weights_id=adapter.id) for adapter in store.all(Adapter))
