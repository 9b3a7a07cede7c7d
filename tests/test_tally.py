"""What a reader of the database sees of a run: states, counts and speeds of a round under way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from selfplay import config
from selfplay.scoring import decoding
from selfplay.snapshot import Snapshot, StageLine
from selfplay.tally import SPEED_S, Watcher
from state.records import Adapter, GroundTruth, Matrix, Round, Run, TrainStep
from state.store import Store
from tests.report.recount import wilson
from tests.state import rows

BEGUN = datetime(2026, 11, 2, 10, 0, 0, tzinfo=UTC)
SETTINGS = config.load("smoke", ("problems.per_round=2",))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A run with two problems and a round that has just begun."""
    with Store.open(tmp_path / "run.db", create=True) as opened:
        run = dataclasses.replace(rows.run(), config=config.to_json(SETTINGS), host='{"sandbox_level": "bwrap"}')
        opened.add(run, rows.problem(0), rows.problem(1), rows.turn())
        yield opened


def stage(snapshot: Snapshot, name: str) -> StageLine:
    (found,) = [line for line in snapshot.stages if line.name == name]
    return found


def states(snapshot: Snapshot) -> dict[str, str]:
    return {line.name: line.state for line in snapshot.stages}


def running(snapshot: Snapshot) -> set[str]:
    return {name for name, state in states(snapshot).items() if state == "running"}


def finish(store: Store, *names: str) -> None:
    store.add(*(dataclasses.replace(rows.stage(name), tokens=200, model_s=4.0) for name in names))


def matrix(problem: int = 0) -> Matrix:
    return Matrix(
        id=f"matrix{problem}", round_id="round1", problem_id=f"problem{problem}", code_ids="[]", test_ids="[]",
        passed='["10", "11"]', code_right=None, test_right=None, tampered=0, vacuous=0,
    )  # fmt: skip


def write(store: Store, kind: str, problem: int) -> None:
    store.add(dataclasses.replace(rows.reply(kind, problem_id=f"problem{problem}"), tokens=120))


def test_stages_come_one_after_the_other_and_those_of_sampling_together(store: Store) -> None:
    watcher = Watcher(store)
    assert running(watcher.look(0, BEGUN)) == {"problems"}
    finish(store, "problems")
    assert running(watcher.look(1, BEGUN)) == {"code", "tests", "judge"}
    for problem in (0, 1):
        write(store, "code", problem)
    seen = watcher.look(2, BEGUN)
    assert running(seen) == {"tests", "judge"}
    assert (stage(seen, "code").done, stage(seen, "code").total) == (2, 2)
    finish(store, "code", "tests", "judge")
    assert running(watcher.look(3, BEGUN)) == {"benchmark"}, "the champion is scored before selection"
    finish(store, "select")
    assert running(watcher.look(4, BEGUN)) == {"train"}
    finish(store, "train")
    assert running(watcher.look(5, BEGUN)) == {"benchmark"}
    finish(store, "benchmark")
    assert running(watcher.look(6, BEGUN)) == {"gate"}
    finish(store, "gate")
    store.replace(dataclasses.replace(rows.turn(), outcome="kept"))
    assert set(states(watcher.look(7, BEGUN)).values()) == {"done"}


def test_a_speed_and_what_is_left_are_told_from_what_came_in_meanwhile(store: Store) -> None:
    watcher = Watcher(store)
    finish(store, "problems")
    first = stage(watcher.look(0, BEGUN), "code")
    assert (first.rate, first.left_s) == ("", None)
    watcher.look(6, BEGUN)  # nothing came in: the clock of the speed begins here
    write(store, "code", 0)
    line = stage(watcher.look(10, BEGUN), "code")
    assert line.rate == "30 tokens/s"
    assert line.left_s == pytest.approx(4.0)
    assert stage(watcher.look(10 + 2 * SPEED_S, BEGUN), "code").rate == "", "nothing was written for a long time"


def test_a_finished_stage_has_the_speed_of_its_whole_time(store: Store) -> None:
    finish(store, "code")
    store.add(dataclasses.replace(rows.stage("judge"), tokens=None, model_s=None, executions=90, wall_s=3.0))
    seen = Watcher(store).look(0, BEGUN)
    assert stage(seen, "code").rate == "50 tokens/s"
    assert stage(seen, "judge").rate == "30 executions/s"


def test_the_time_of_a_stage_under_way_counts_from_the_end_of_the_one_before(store: Store) -> None:
    watcher = Watcher(store)
    assert stage(watcher.look(0, BEGUN + timedelta(seconds=5)), "problems").wall_s == pytest.approx(5.0)
    finish(store, "problems")  # began after 1 s, took 1.5 s
    assert stage(watcher.look(1, BEGUN + timedelta(seconds=12.5)), "code").wall_s == pytest.approx(10.0)


def test_training_shows_steps_and_losses(store: Store) -> None:
    finish(store, "problems", "code", "tests", "judge", "select")
    for step, loss in ((1, 0.7), (2, 0.6)):
        store.add(
            TrainStep(
                id=str(step), round_id="round1", step=step, loss=loss, reward_margin=None, reward_accuracy=None,
                chosen_logp=None, rejected_logp=None, learning_rate=None, grad_norm=None, tokens=50, wall_s=1.0,
            )
        )  # fmt: skip
    line = stage(Watcher(store).look(0, BEGUN), "train")
    assert (line.state, line.done, line.total, line.losses) == ("running", 2, 0, (0.7, 0.6))


def truths(count: int) -> list[GroundTruth]:
    return [
        dataclasses.replace(rows.ground_truth(passed=task != 0), id=f"truth{task}", task_id=f"{task:04d}")
        for task in range(count)
    ]


def test_scores_are_the_champions_until_there_is_a_candidate(store: Store) -> None:
    finish(store, "problems", "code", "tests", "judge")
    store.add(*truths(5))
    decoded = decoding(SETTINGS.benchmark)
    store.add(*(dataclasses.replace(rows.score(task, passed=task < 3), decoding=decoded) for task in (1, 2, 3)))
    watcher = Watcher(store)
    seen = watcher.look(0, BEGUN)
    assert (stage(seen, "benchmark").done, stage(seen, "benchmark").total) == (3, 4)
    assert seen.champion_scores == (), "the first tasks are not a sample of all"
    store.add(dataclasses.replace(rows.score(4, passed=False), decoding=decoded))
    (shown,) = watcher.look(0, BEGUN).champion_scores
    assert (shown.benchmark, shown.tasks, shown.left_out, shown.role) == ("humaneval", 4, 1, "gate")
    assert shown.passed_frac == pytest.approx(2 / 4)
    assert shown.interval == pytest.approx(wilson(2, 4))
    store.add(rows.adapter())
    finish(store, "select", "train")
    candidate = stage(watcher.look(5, BEGUN), "benchmark")
    assert (candidate.done, candidate.rate) == (0, "")
    score = dataclasses.replace(rows.score(1), id="new", weights_id="adapter-round1", decoding=decoded, tokens=40)
    store.add(score)
    assert stage(watcher.look(9, BEGUN), "benchmark").rate == "10 tokens/s"


def test_a_round_without_a_candidate_scores_nothing(store: Store) -> None:
    store.add(dataclasses.replace(rows.adapter(outcome="diverged"), sha256=None, path=None))
    assert stage(Watcher(store).look(0, BEGUN), "benchmark").done == 0


def test_the_last_matrix_is_shown_and_the_reason_of_each_decision(store: Store) -> None:
    watcher = Watcher(store)
    assert watcher.look(0, BEGUN).judged is None
    store.add(matrix(1))
    store.add(matrix(0))
    seen = watcher.look(1, BEGUN)
    assert seen.judged is not None
    assert (seen.judged.name, seen.judged.passed) == ("add", ("10", "11"))
    assert seen.overviews[0].judged == 2
    store.add(rows.adapter(), rows.promotion())
    store.replace(dataclasses.replace(rows.turn(), outcome="promoted"))
    seen = watcher.look(2, BEGUN)
    assert seen.champion == "round 1"
    assert seen.log == ("round 1: better on 20 tasks, worse on 4",)


def test_a_run_without_a_round_is_shown(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(dataclasses.replace(rows.run(), config=config.to_json(SETTINGS)))
        seen = Watcher(store).look(0, BEGUN)
    assert (seen.round_number, seen.rounds, seen.stages, seen.champion) == (0, 5, (), "base model")
    assert seen.left_s is None, "nothing is finished yet to tell it from"


def test_how_many_rounds_were_asked_for_is_seen_and_so_is_the_time_they_will_take(store: Store) -> None:
    watcher = Watcher(store)
    finish(store, "problems")
    assert (watcher.look(0, BEGUN).rounds, watcher.look(0, BEGUN).left_s) == (5, None)
    store.replace(dataclasses.replace(rows.turn(), outcome="kept"))
    store.add(rows.turn(2), rows.stage("problems", round_id="round2", wall_s=0.5))
    assert watcher.look(1, BEGUN).left_s == pytest.approx(3 * 1.5 + 1.0), "three rounds of 1.5 s, 1 s of this one"
    store.replace(dataclasses.replace(store.all(Run)[0], rounds=2))
    seen = watcher.look(2, BEGUN)
    assert seen.rounds == 2, "another start asked for fewer"
    assert seen.left_s == pytest.approx(1.0)


def test_the_loops_own_rows_are_read_right(promoted: Path) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        seen = Watcher(store).look(0, datetime.now(UTC))
        last = store.all(Round)[-1]
        assert set(states(seen).values()) == {"done"}
        assert (seen.round_number, seen.champion) == (2, "round 1")
        assert stage(seen, "judge").total == store.count(Matrix, round_id=last.id) == 4
        assert stage(seen, "train").total == store.all(Adapter, round_id=last.id)[0].steps
