from __future__ import annotations

import dataclasses
import math
import random
import sqlite3
import string
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state import StoreError, records
from state.records import (
    Adapter,
    Execution,
    Matrix,
    Pair,
    Problem,
    Promotion,
    Record,
    Reply,
    Round,
    Run,
    Sample,
    Score,
    Stage,
    TrainStep,
    content_id,
)
from state.store import Store
from tests.state import rows

_SQL_TYPE = {str: ("TEXT", True), int: ("INTEGER", True), float: ("REAL", True), bool: ("INTEGER", True)}
_SQL_TYPE_OR_NONE = {kind | None: (name, False) for kind, (name, _) in _SQL_TYPE.items()}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "run" / "run.db", create=True) as store:
        yield store


def test_columns_are_the_fields_of_the_records_with_their_types(store: Store, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    tables = {
        row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'") if row[0][0] != "_"
    }
    assert tables == set(records.TABLES)
    for table, record in records.TABLES.items():
        found = {
            name: (kind, bool(required))
            for _, name, kind, required, _, _ in connection.execute(f"PRAGMA table_info({table})")
        }
        hints = get_type_hints(record)
        assert found == {name: (_SQL_TYPE | _SQL_TYPE_OR_NONE)[hint] for name, hint in hints.items()}, table
        assert [row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]] == ["id"]
    connection.close()


def test_every_field_that_names_another_row_is_a_foreign_key(store: Store, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    for table, record in records.TABLES.items():
        keys = {row[3] for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
        names = {field.name for field in dataclasses.fields(record) if field.name.endswith("_id")}
        assert keys == names - {"weights_id", "task_id"}, table
    connection.close()


def test_every_record_comes_back_as_it_was_stored(store: Store) -> None:
    store.add(*rows.one_of_each())
    for record in rows.one_of_each():
        assert store.get(type(record), record.id) == record


def test_flags_come_back_as_booleans(store: Store) -> None:
    store.add(*rows.one_of_each())
    assert store.all(Promotion)[0].promoted is True
    assert store.all(Score)[0].passed is True
    assert (store.all(Pair)[0].chosen_right, store.all(Pair)[0].rejected_right) == (True, None)


def test_storing_everything_twice_changes_nothing(store: Store) -> None:
    store.add(*rows.one_of_each())
    store.add(*rows.one_of_each())
    for record in rows.one_of_each():
        assert store.count(type(record)) == (2 if isinstance(record, Reply | Sample) else 1)


def test_the_first_of_two_records_with_one_id_stays(store: Store) -> None:
    store.add(rows.run(), dataclasses.replace(rows.run(), model="another"))
    assert store.all(Run) == [rows.run()]


def test_a_record_whose_parent_is_missing_is_refused_by_name(store: Store) -> None:
    store.add(rows.run(), rows.problem())
    with pytest.raises(StoreError, match="replies refuses round1-problem0-code-0: FOREIGN KEY"):
        store.add(rows.reply())
    assert store.count(Reply) == 0


def test_the_same_fact_under_another_id_is_refused(store: Store) -> None:
    store.add(rows.run(), rows.turn())
    with pytest.raises(StoreError, match="rounds refuses other: UNIQUE"):
        store.add(dataclasses.replace(rows.turn(), id="other"))


@pytest.mark.parametrize(
    "wrong",
    [
        dataclasses.replace(rows.reply(), kind="prose"),
        dataclasses.replace(rows.reply(), finish_reason="abort"),
        dataclasses.replace(rows.reply(), text=None),  # type: ignore[arg-type]
        dataclasses.replace(rows.reply(), tokens="many"),  # type: ignore[arg-type]
        dataclasses.replace(rows.turn(2), outcome="lost"),
        dataclasses.replace(rows.run(), id="r2", name="other", config="{"),
    ],
)
def test_values_outside_the_vocabulary_are_refused(store: Store, wrong: Reply | Round | Run) -> None:
    store.add(rows.run(), rows.problem(), rows.turn())
    with pytest.raises(StoreError, match="refuses"):
        store.add(wrong)
    assert store.get(type(wrong), wrong.id) is None


def test_a_transaction_that_raises_leaves_nothing(store: Store) -> None:
    def interrupted() -> Iterator[Record]:
        yield from (rows.run(), rows.problem())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), store.transaction():
        store.add_all(interrupted())
    assert store.count(Run) == store.count(Problem) == 0


def test_a_refused_record_takes_its_whole_transaction_with_it(store: Store) -> None:
    with pytest.raises(StoreError), store.transaction():
        store.add(rows.run(), rows.reply())
    assert store.count(Run) == 0


def test_an_error_of_the_callers_own_passes_through_a_transaction(store: Store) -> None:
    with pytest.raises(FileNotFoundError), store.transaction():
        store.add_all(rows.problem(number) for number in range(int(Path("/nowhere/at/all").read_text())))


def test_transactions_do_not_nest(store: Store) -> None:
    with store.transaction(), pytest.raises(RuntimeError, match="nest"), store.transaction():
        pass
    store.add(rows.run())
    assert store.count(Run) == 1


def test_replacing_changes_the_row_and_only_that_row(store: Store) -> None:
    store.add(rows.run(), rows.turn(1), rows.turn(2), *(rows.problem(number) for number in range(3)))
    done = dataclasses.replace(rows.turn(1), finished_at="later", outcome="kept")
    store.replace(done)
    store.replace(dataclasses.replace(rows.problem(1), signature=None))
    assert store.all(Round) == [done, rows.turn(2)]
    assert [problem.signature is None for problem in store.all(Problem)] == [False, True, False]


def test_replacing_a_row_that_is_not_there_is_refused(store: Store) -> None:
    store.add(rows.run())
    with pytest.raises(StoreError, match="no row round1 in rounds"):
        store.replace(rows.turn(1))
    with pytest.raises(StoreError, match="runs refuses run: CHECK"):
        store.replace(dataclasses.replace(rows.run(), host="?"))


def test_reads_are_in_natural_order_whatever_the_order_of_writing(store: Store) -> None:
    store.add(rows.run())
    rounds = [rows.turn(number) for number in (10, 2, 1)]
    problems = [rows.problem(number) for number in (2, 0, 1)]
    steps = [
        TrainStep(
            id=f"{turn.id}-{step}", round_id=turn.id, step=step, loss=None, reward_margin=None, reward_accuracy=None,
            chosen_logp=None, rejected_logp=None, learning_rate=None, grad_norm=None, tokens=None, wall_s=None,
        )
        for turn in rounds
        for step in (11, 9, 10)
    ]  # fmt: skip
    random.Random(3).shuffle(steps)  # noqa: S311
    store.add(*rounds, *problems, *steps)
    assert [turn.number for turn in store.all(Round)] == [1, 2, 10]
    assert [problem.position for problem in store.all(Problem)] == [0, 1, 2]
    assert [(step.round_id, step.step) for step in store.all(TrainStep)] == [
        (f"round{number}", step) for number in (1, 2, 10) for step in (9, 10, 11)
    ]


def test_a_filter_selects_by_equality_and_by_absence(store: Store) -> None:
    store.add(*rows.one_of_each(), rows.turn(2, outcome="kept"))
    assert [turn.number for turn in store.all(Round, outcome=None)] == [1]
    assert [turn.number for turn in store.all(Round, outcome="kept", number=2)] == [2]
    assert store.count(Promotion, promoted=True) == 1
    assert store.count(Promotion, promoted=False) == 0
    with pytest.raises(TypeError, match="rounds has no field colour"):
        store.all(Round, colour="red")


def test_what_is_missing_of_a_round_can_be_asked(store: Store) -> None:
    store.add(*rows.one_of_each(), rows.problem(1), rows.turn(2))
    store.add(rows.reply("code", 0, problem_id="problem1"), rows.reply("code", 1, problem_id="problem1"))
    assert store.answered("round1", "code") == {"problem0", "problem1"}
    assert store.answered("round1", "code", replies=2) == {"problem1"}
    assert store.answered("round1", "test") == {"problem0"}
    assert store.answered("round2", "code") == set()
    assert store.judged("round1") == {"problem0"}
    assert store.judged("round2") == set()
    assert store.stage("round1", "code") == rows.stage()
    assert store.stage("round1", "judge") is None
    assert store.stage("round2", "code") is None


def test_samples_come_by_reply_and_place_and_defective_ones_only_on_request(store: Store) -> None:
    store.add(rows.run(), rows.problem(), rows.turn())
    replies = [rows.reply("test", position) for position in (10, 9, 1)]
    samples = [rows.sample(of, place) for place in (1, 0) for of in replies]
    bad = rows.sample(replies[2], 2, defect="duplicate")
    store.add(*replies, *samples, bad)
    order = [(1, 0), (1, 1), (9, 0), (9, 1), (10, 0), (10, 1)]
    found = store.samples_of("round1", "problem0", "test")
    assert [sample.id for sample in found] == [f"round1-problem0-test-{reply}-{place}" for reply, place in order]
    assert bad in store.samples_of("round1", "problem0", "test", usable=False)
    assert store.samples_of("round1", "problem0", "code") == []


def test_scores_are_those_of_one_benchmark_by_task(store: Store) -> None:
    store.add(*(rows.score(task) for task in (2, 0, 1)), rows.score(0, benchmark="mbpp"))
    found = store.scores("base", "humaneval", '{"temperature": 0}')
    assert [score.task_id for score in found] == ["0000", "0001", "0002"]
    assert store.scores("base", "humaneval", '{"temperature": 1}') == []


def test_the_overview_tells_a_finished_round_and_an_open_one(store: Store) -> None:
    store.add(*rows.one_of_each(), rows.stage("judge", wall_s=2.0), rows.turn(2))
    store.add(rows.sample(rows.reply(), 1, defect="duplicate"))
    store.replace(rows.turn(1, outcome="promoted"))
    done, fresh = store.rounds_overview()
    assert (done.number, done.outcome, done.judged, done.codes, done.tests) == (1, "promoted", 1, 1, 1)
    assert (done.executions, done.pairs, done.measured, done.good) == (1, 1, 1, 1)
    assert (done.loss, done.wall_s, done.reason) == (0.69, 3.5, "better on 20 tasks, worse on 4")
    (comparison,) = done.comparisons
    assert (comparison.benchmark, comparison.champion_frac, comparison.candidate_frac) == ("humaneval", 0.5, 0.6)
    assert (comparison.role, comparison.tasks, comparison.interval) == ("gate", 164, (0.02, 0.2))
    assert (fresh.number, fresh.outcome, fresh.measured, fresh.loss, fresh.reason) == (2, None, None, None, None)
    assert (fresh.judged, fresh.pairs, fresh.comparisons, fresh.wall_s) == (0, 0, (), 0.0)


def test_the_overview_says_why_there_was_no_candidate(store: Store) -> None:
    store.add(rows.run(), rows.turn(), rows.adapter(outcome="diverged", reason="the loss was not a number"))
    assert store.rounds_overview()[0].reason == "the loss was not a number"


def test_text_that_utf_8_cannot_hold_does_not_stop_a_run(store: Store) -> None:
    store.add(dataclasses.replace(rows.problem(), prompt="half a pair: \ud83d"))
    assert store.all(Problem)[0].prompt == "half a pair: ?"
    assert content_id("\ud83d") != content_id("?")


def test_a_measurement_that_is_not_a_number_is_stored_as_unknown(store: Store) -> None:
    step = next(record for record in rows.one_of_each() if isinstance(record, TrainStep))
    store.add(rows.run(), rows.turn(), dataclasses.replace(step, loss=math.nan, grad_norm=math.inf))
    assert (store.all(TrainStep)[0].loss, store.all(TrainStep)[0].grad_norm) == (None, math.inf)


@settings(max_examples=50, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])), number=st.integers(-(2**63), 2**63 - 1))
def test_any_text_and_any_number_survive_the_round_trip(
    tmp_path_factory: pytest.TempPathFactory, text: str, number: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "hypothesis" / "run.db"
    with Store.open(path, create=True) as store:
        store.add(rows.run(), rows.problem(), rows.turn(), rows.reply())
        changed = dataclasses.replace(rows.reply(), text=text, seed=number)
        store.replace(changed)
        assert store.get(Reply, changed.id) == changed


def test_ten_thousand_executions_are_stored_in_well_under_a_second(store: Store) -> None:
    codes = [rows.reply("code", position) for position in range(100)]
    tests = [rows.reply("test", position) for position in range(100)]
    samples = [rows.sample(of) for of in (*codes, *tests)]
    store.add(rows.run(), rows.problem(), rows.turn(), *codes, *tests, *samples)
    executions = [rows.execution(code, test) for code in samples[:100] for test in samples[100:]]
    begun = time.process_time()
    store.add_all(executions)
    assert time.process_time() - begun < 1.0
    assert store.count(Execution) == 10_000


def test_reads_that_run_often_use_an_index(store: Store, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    for record, columns in {
        Reply: ("round_id", "kind"),
        Sample: ("round_id", "problem_id", "kind"),
        Execution: ("round_id",),
        Matrix: ("round_id",),
        Pair: ("round_id",),
        Stage: ("round_id", "name"),
        Adapter: ("round_id",),
        Score: ("weights_id", "benchmark", "decoding"),
    }.items():
        table = next(name for name, kind in records.TABLES.items() if kind is record)
        where = " AND ".join(f"{column} IS ?" for column in columns)
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN SELECT * FROM {table} WHERE {where}",  # noqa: S608
            ("",) * len(columns),
        ).fetchall()
        assert [row[3].split()[0] for row in plan] == ["SEARCH"], (table, plan)
    connection.close()


def test_ids_depend_on_every_part_and_on_nothing_else() -> None:
    assert content_id("a", 1, None) == content_id("a", 1, None)
    others = [("a", 1), ("a", "1", None), ("a1", None), ("a", 1, ""), (1, "a", None)]
    assert len({content_id(*parts) for parts in [("a", 1, None), *others]}) == 6
    assert set(content_id("x")) <= set(string.hexdigits)
