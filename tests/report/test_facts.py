"""What the report reads: every origin, the right tasks, and plots of the same figures as the tables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from selfplay import config
from selfplay.report import problem_views, standings
from selfplay.report.facts import Facts, read
from selfplay.report.plots import curve_rows, grid_rows, reliability_rows, step_rows, time_rows
from selfplay.scoring import decoding
from state.records import (
    Adapter,
    Execution,
    GroundTruth,
    Matrix,
    Pair,
    Reply,
    Round,
    Run,
    Sample,
    Score,
    Stage,
    TrainStep,
)
from state.store import Store
from tests.report.recount import wilson
from tests.state import rows


@pytest.fixture
def store(promoted: Path) -> Store:
    return Store.open(promoted / "a" / "run.db")


def test_the_lineage_leads_from_the_champion_to_every_pair_execution_sample_and_problem(store: Store) -> None:
    facts = read(store)
    (origin,) = facts.lineage
    adapter = store.all(Adapter)[0]
    assert (origin.adapter, origin.round_number, origin.parent_round) == (adapter, 1, 0)
    assert [each.pair for each in origin.pairs] == store.all(Pair, round_id=adapter.round_id)
    for each in origin.pairs:
        assert each.problem.id == each.pair.problem_id
        for side, (code, test, status) in zip(
            each.sides,
            [
                (each.pair.chosen_code_id, each.pair.chosen_test_id, True),
                (each.pair.rejected_code_id, each.pair.rejected_test_id, False),
            ],
            strict=True,
        ):
            assert (side.code.sample.id, side.test.sample.id) == (code, test)
            assert side.execution is not None
            assert (side.execution.code_id, side.execution.test_id, side.execution.role) == (code, test, "cell")
            assert (side.execution.status == "passed") is status
            assert side.code.reply == store.get(Reply, side.code.sample.reply_id)


def test_an_execution_that_is_no_longer_kept_is_said_to_be_so(promoted: Path, store: Store) -> None:
    import sqlite3

    from tests.report.test_page import written

    pair = store.all(Pair)[0]
    store.close()
    with sqlite3.connect(promoted / "a" / "run.db") as connection:
        gone = connection.execute("DELETE FROM executions WHERE code_id = ?", (pair.chosen_code_id,)).rowcount
    assert gone
    assert written(promoted / "a" / "run.db").count("no longer kept") == 1


def test_matrices_are_shared_out_over_the_rounds_pairs_first(store: Store) -> None:
    rounds = store.all(Round)
    for shown, counts in ((60, [4, 4]), (4, [2, 2]), (1, [0, 1])):
        views = problem_views.problem_views(store, rounds, shown)
        assert [len(views.get(turn.id, ())) for turn in rounds] == counts
    for view in views[rounds[1].id]:
        assert view.pair is not None
    for found in problem_views.problem_views(store, rounds).values():
        paired = [view.pair is not None for view in found]
        assert paired == sorted(paired, reverse=True)
        for view in found:
            matrix = store.get(Matrix, view.matrix.id)
            assert matrix is not None
            for label, kind in [*((each, "code") for each in view.codes), *((each, "test") for each in view.tests)]:
                assert label.sample.kind == kind
                if view.pair:
                    sides = [getattr(view.pair, f"{side}_{kind}_id") for side in ("chosen", "rejected")]
                    assert (label.role is None) is (label.sample.id not in sides)


def test_tasks_that_this_host_cannot_score_are_no_part_of_a_score(store: Store) -> None:
    before = read(store).benchmarks[0]
    truth = store.all(GroundTruth)[3]
    store.replace(dataclasses.replace(truth, passed=False, status="timeout"))
    after = read(store).benchmarks[0]
    assert after.left_out == ((truth.task_id, "timeout"),)
    assert set(before.tasks) - set(after.tasks) == {truth.task_id}
    assert all(truth.task_id not in each.outcomes for each in after.standings)


def test_tasks_are_in_the_order_of_their_numbers() -> None:
    names = ["HumanEval/10", "HumanEval/9", "HumanEval/100"]
    assert sorted(names, key=standings.natural) == ["HumanEval/9", "HumanEval/10", "HumanEval/100"]


def test_several_samples_a_task_count_by_their_share(tmp_path: Path) -> None:
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(rows.run(), rows.turn(), rows.adapter())
        decoded = decoding(read_config().benchmark)
        for weights, outcomes in (("base", (True, False)), ("adapter-round1", (True, True))):
            for place, passed in enumerate(outcomes):
                score = dataclasses.replace(
                    rows.score(passed=passed), id=f"{weights}{place}", weights_id=weights, position=place,
                    decoding=decoded,
                )  # fmt: skip
                store.add(score)
        (view,) = standings.benchmark_views(store, read_config(), "base", store.all(Round), None)
    assert [each.frac for each in view.standings] == [0.5, 1.0]
    assert view.standings[0].interval == pytest.approx(wilson(0.5, 1))
    assert view.contests[0].won == ("0000",)
    assert view.contests[0].examples_won[0].task == "0000"


def read_config() -> config.Config:
    return config.load("smoke")


def test_plots_show_the_figures_of_the_tables(store: Store) -> None:
    facts = read(store)
    (view,) = facts.benchmarks
    curve = curve_rows(view)
    assert [(row["after"], row["who"]) for row in curve] == [
        (0, "champion"), (1, "champion"), (2, "champion"), (1, "candidate, promoted"),
    ]  # fmt: skip
    assert curve[0]["rate"] == pytest.approx(100 * view.standings[0].frac)
    assert curve[1]["rate"] == curve[2]["rate"] == curve[3]["rate"] == pytest.approx(100 * view.standings[1].frac)
    grid = grid_rows(view)
    assert len(grid) == len(view.tasks) * len(view.standings)
    assert sum(float(row["passed"] or 0) for row in grid) == sum(score.passed for score in store.all(Score))
    stages = store.all(Stage)
    assert sum(float(row["seconds"] or 0) for row in time_rows(facts)) == pytest.approx(sum(s.wall_s for s in stages))
    steps = step_rows(facts)
    assert [row["loss"] for row in steps] == [step.loss for step in store.all(TrainStep)]
    assert [row["at"] for row in steps] == list(range(1, len(steps) + 1))
    shares = {(row["rule"], row["what"]): row for row in reliability_rows(facts)}
    for total in facts.rules:
        assert shares[total.rule, "true"]["share"] == pytest.approx(100 * total.good / total.measured)
        assert shares[total.rule, "true"]["low"] == pytest.approx(100 * wilson(total.good, total.measured)[0])


def test_samples_are_counted_by_what_became_of_them(store: Store) -> None:
    facts: Facts = read(store)
    for fate in facts.fates:
        assert fate.samples == store.count(Sample, kind=fate.kind)
        assert fate.samples == fate.usable + sum(count for _, count in fate.defects)
    assert facts.executions == store.count(Execution)


def test_what_the_host_is_is_told_in_words(store: Store) -> None:
    told = json.dumps({"cpus": 2, "memory_bytes": 25_276_510_208, "odd_bytes": "many"})
    store.replace(dataclasses.replace(store.all(Run)[0], host=told))
    assert read(store).host == (("cpus", "2"), ("memory", "23.5 GiB"), ("odd_bytes", "many"))
