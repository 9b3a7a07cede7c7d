"""The questions for datasette: each one runs, and answers from a real run's rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from state.queries import QUERIES


def ask(path: Path, name: str) -> list[dict[str, object]]:
    (query,) = [query for query in QUERIES if query.name == name]
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        cursor = connection.execute(query.sql)
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]
    finally:
        connection.close()


@pytest.mark.parametrize("name", [query.name for query in QUERIES])
def test_every_question_has_an_answer_in_a_fixed_order(promoted: Path, name: str) -> None:
    answers = ask(promoted / "a" / "run.db", name)
    assert answers or name in {"inverted_pairs", "left_out"}
    (query,) = [query for query in QUERIES if query.name == name]
    assert "ORDER BY" in query.sql
    assert query.sql.strip().startswith("SELECT")


def test_names_and_titles_are_all_different() -> None:
    assert len({query.name for query in QUERIES}) == len({query.title for query in QUERIES}) == len(QUERIES)


def test_tasks_that_changed_are_those_that_the_gate_counted(promoted: Path) -> None:
    path = promoted / "a" / "run.db"
    changed = [row for row in ask(path, "tasks_that_changed") if row["round"] == 1]
    decision = ask(path, "rounds")[0]
    assert changed
    assert sum(row["outcome"] == "won" for row in changed) == decision["wins"]
    assert sum(row["outcome"] == "lost" for row in changed) == decision["losses"]


def test_pass_rates_name_the_weights(promoted: Path) -> None:
    rates = ask(promoted / "a" / "run.db", "pass_rates")
    assert [(row["weights"], row["tasks"]) for row in rates] == [("base model", 20), ("adapter of round 1", 20)]
    assert rates[0]["pass_at_1_percent"] < rates[1]["pass_at_1_percent"]  # type: ignore[operator]
