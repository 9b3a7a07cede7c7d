"""Tasks whose own right program fails here are found once, kept, left out of every score, and shown."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status, Verdict
from selfplay import config, ground_truth
from selfplay.benchmark import load
from selfplay.benchmark_task import Task
from selfplay.errors import HostError
from selfplay.grading import Grader
from selfplay.ground_truth import UNAVAILABLE, host_facts, scorable
from selfplay.models import ModelFiles
from selfplay.paired import wilson_interval
from selfplay.progress import LogTail, Progress, StopRequested
from selfplay.resources import Resources
from selfplay.scoring import Scorer
from selfplay.sections import Benchmark
from selfplay.session import Session
from selfplay.snapshot import ChampionScore
from selfplay.view import snapshot
from state.records import GroundTruth, Score
from state.store import Store
from tests.state import rows

pytestmark = pytest.mark.isolation

GOOD = load("humaneval", limit=3)
BROKEN = dataclasses.replace(GOOD[0], id="HumanEval/broken", canonical=GOOD[0].text + "    return None\n")
FOREIGN = dataclasses.replace(GOOD[0], id="HumanEval/foreign", needs=("pandas",))
TASKS = (*GOOD, BROKEN, FOREIGN)


class Counted(Grader):
    """Notes what it ran."""

    def __init__(self, box: Sandbox, longest_s: float = 10.0) -> None:
        super().__init__(box, longest_s)
        self.ran: list[str] = []
        self.learnt: dict[str, str] = {}

    def run(self, task: Task, source: str) -> Verdict:
        self.ran.append(task.id)
        return super().run(task, source)

    def learn(self, task: Task, note: str) -> None:
        self.learnt[task.id] = note
        super().learn(task, note)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    try:
        opened = Sandbox(workers=1, limits=Limits(wall_s=4.0, cpu_s=4))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with opened:
        yield opened


@pytest.fixture
def grader(box: Sandbox) -> Iterator[Counted]:
    made = Counted(box)
    yield made
    made.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "run.db", create=True) as opened:
        yield opened


def go_on() -> None:
    """Nobody asked to stop."""


def test_a_task_whose_own_program_fails_is_left_out_and_kept_with_the_reason(store: Store, grader: Counted) -> None:
    assert scorable(store, grader, "humaneval", TASKS, go_on) == GOOD
    known = {row.task_id: row for row in store.ground_truths("humaneval", host_facts(grader))}
    assert known.keys() == {task.id for task in TASKS}
    assert [known[task.id].passed for task in TASKS] == [True] * 3 + [False] * 2
    assert known["HumanEval/broken"].status == "failed"
    assert (known["HumanEval/foreign"].status, known["HumanEval/foreign"].detail) == (
        UNAVAILABLE,
        "the sandbox does not have pandas",
    )
    assert "HumanEval/foreign" not in grader.ran
    assert store.left_out() == {"humaneval": (3, 2)}


def test_a_second_start_runs_nothing(store: Store, grader: Counted) -> None:
    scorable(store, grader, "humaneval", TASKS, go_on)
    grader.ran.clear()
    assert scorable(store, grader, "humaneval", TASKS, go_on) == GOOD
    assert grader.ran == []


def test_what_a_passed_test_notes_is_kept_and_learnt_at_every_start(store: Store, box: Sandbox) -> None:
    noting = dataclasses.replace(GOOD[0], test=f"{GOOD[0].test}\nNOTE = 'seen'\n")
    failing = dataclasses.replace(BROKEN, test=f"NOTE = 'seen'\n{BROKEN.test}")
    alone = "class Mine(Whole):\n    pass\nassert Mine().value == 1\nNOTE = 'seen'\n"
    unsplit = dataclasses.replace(
        GOOD[1], id="Tiny/0", entry_point="Whole", test=alone, canonical="class Whole:\n    value = 1\n"
    )
    for _ in ("first start", "second start"):
        with contextlib.closing(Counted(box)) as grader:
            assert scorable(store, grader, "humaneval", (noting, failing, unsplit), go_on) == (noting, unsplit)
            assert grader.learnt == {noting.id: "seen", unsplit.id: ""}
    assert grader.ran == []


def test_only_a_task_that_changed_runs_again(store: Store, grader: Counted) -> None:
    scorable(store, grader, "humaneval", GOOD, go_on)
    grader.ran.clear()
    changed = dataclasses.replace(GOOD[1], test=GOOD[1].test + "\n")
    assert len(scorable(store, grader, "humaneval", (GOOD[0], changed, GOOD[2]), go_on)) == 3
    assert grader.ran == [changed.id]


@pytest.mark.parametrize("fact", ["level", "memory_bytes", "python", "sandbox", "wall_s"])
def test_on_another_host_every_task_runs_again(
    store: Store, grader: Counted, monkeypatch: pytest.MonkeyPatch, fact: str
) -> None:
    scorable(store, grader, "humaneval", GOOD[:1], go_on)
    grader.ran.clear()
    facts = json.loads(host_facts(grader))
    assert fact in facts
    monkeypatch.setattr(ground_truth, "host_facts", lambda _: json.dumps(facts | {fact: "other"}))
    scorable(store, grader, "humaneval", GOOD[:1], go_on)
    assert grader.ran == [GOOD[0].id]


@pytest.mark.parametrize(("seconds", "kept"), [((9, 0), True), ((9, 9), False)])
def test_a_program_that_ran_out_of_time_runs_again(
    store: Store, box: Sandbox, seconds: tuple[int, ...], kept: bool
) -> None:
    class Busy(Counted):
        """A host that is busy at first."""

        def run(self, task: Task, source: str) -> Verdict:
            found = super().run(task, source)
            late = seconds[min(len(self.ran), 2) - 1] and task.id == "HumanEval/0"
            return dataclasses.replace(found, status=Status.TIMEOUT) if late else found

    with contextlib.closing(Busy(box)) as grader:
        tasks = (GOOD[0],) if kept else (*GOOD[:1], GOOD[1])
        found = scorable(store, grader, "humaneval", tasks, go_on)
    assert (GOOD[0] in found) is kept
    assert grader.ran.count("HumanEval/0") == 2


def test_a_stop_keeps_what_is_known(store: Store, grader: Counted) -> None:
    def stop() -> None:
        if store.count(GroundTruth):  # asked at least every second, whether one has ended or not
            raise StopRequested

    with pytest.raises(StopRequested):
        scorable(store, grader, "humaneval", TASKS, stop)
    known = store.count(GroundTruth)
    assert known >= 1
    grader.ran.clear()
    assert scorable(store, grader, "humaneval", TASKS, go_on) == GOOD
    assert len(grader.ran) <= len(TASKS) - known


def test_a_benchmark_of_which_nothing_can_be_scored_is_the_machines_fault(store: Store, grader: Counted) -> None:
    with pytest.raises(HostError, match="humaneval: not one of the 2 right programs passes in this sandbox"):
        scorable(store, grader, "humaneval", (BROKEN, FOREIGN), go_on)


def test_scores_count_only_what_can_be_scored(store: Store, box: Sandbox) -> None:
    progress = Progress()
    scorer = Scorer(store, box, Benchmark(), {"humaneval": TASKS}, 0, progress)
    scorer.prepare()
    scorer.close()
    assert progress.message == ""
    assert [task.id for task in scorer.missing("weights")["humaneval"]] == [task.id for task in GOOD]
    for number, task in enumerate(TASKS):
        store.add(
            Score(
                id=str(number), weights_id="weights", benchmark="humaneval", decoding=scorer.decoding, task_id=task.id,
                position=0, reply="", source="", passed=number != 0, status="", trust="split", tokens=1, wall_s=0.0,
            )
        )  # fmt: skip
    assert scorer.summary("weights") == (("humaneval", 2, 3, 2),)
    assert scorer.missing("weights") == {"humaneval": []}


def test_the_picture_shows_how_many_tasks_were_left_out(store: Store, tmp_path: Path) -> None:
    session = Session(
        folder=tmp_path,
        config=config.load("smoke"),
        store=store,
        run=rows.run(),
        model=ModelFiles(folder=tmp_path, sha256="", source="", licence=None),
        tasks={},
    )
    progress = Progress(champion_scores=(("humaneval", 2, 3, 2),))
    progress.begin_round(1)
    with Resources() as resources:
        picture = snapshot(session, progress, resources, LogTail(), "bwrap")
    assert picture.champion_scores == (
        ChampionScore(
            benchmark="humaneval", passed_frac=2 / 3, tasks=3, interval=wilson_interval(2, 3), left_out=2, role="gate"
        ),
    )
