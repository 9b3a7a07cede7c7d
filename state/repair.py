"""What is wrong with a run's database, what it has lost, and how its rounds are taken back.

A run only ever adds rows; few columns change later (`_CHANGING`). So a database must still say everything that an
earlier copy of it says: that finds what SQLite's own checks cannot, a changed text or a write-ahead log that is gone.

Not covered: a changed text in rows that no copy holds yet.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from state import StoreError, migrations
from state.backup import integrity
from state.database import open_database
from state.records import TABLES

_CHANGING = {
    "rounds": {"finished_at", "outcome"},
    "adapters": {"path"},
    "problems": {"signature", "entry_point", "dropped"},
}
"""Columns that may get a value after their row is stored, or (`path`) lose it; they never get another."""
_ASKED = {"runs": {"rounds"}}
"""Columns that any start of the run may give another value."""

_OF_ATTEMPT = ("promotions", "adapters", "train_steps")
"""What training and the gate say of a round."""
_OF_SAMPLES = ("reliability", "pairs", "matrices", "executions", "samples", "replies")
_REDONE = ("train", "benchmark", "gate")


def faults(path: Path) -> list[str]:
    """Return what is wrong with the database file at `path`; nothing for one that a run can go on with.

    Raises:
        StoreError: It was written by a newer program.
    """
    if not path.exists():
        return ["it is gone"]
    try:
        connection = _looked_at(path)
        try:
            return _faults(connection, path)
        finally:
            connection.close()
    except sqlite3.Error as error:
        return [str(error)]


def _faults(connection: sqlite3.Connection, path: Path) -> list[str]:
    if connection.execute("PRAGMA application_id").fetchone()[0] != migrations.APPLICATION_ID:
        return ["it is no run database"]
    found = integrity(connection)
    if found:
        return found
    newer = sorted(set(migrations.applied(connection)) - migrations.STEPS.keys())
    if newer:
        raise StoreError(f"{path} was written by a newer version of this program (it has {newer[-1]}); use that")
    if connection.execute("SELECT count(*) FROM runs").fetchone()[0] != 1:
        return ["the run's own row is gone"]
    return []


def differences(path: Path, older: Path) -> dict[str, int]:
    """Return, by table, how many rows of `older`, an earlier copy, the database at `path` lacks or tells otherwise.

    Raises:
        sqlite3.Error: One of the two cannot be read.
    """
    connection = _looked_at(path)
    try:
        connection.execute("ATTACH ? AS older", (_uri(older),))
        found = {}
        for table in TABLES:
            now, then = _columns(connection, "main", table), _columns(connection, "older", table)
            same = ", ".join(sorted((now & then) - _CHANGING.get(table, set()) - _ASKED.get(table, set())))
            if not then:
                continue
            if not now:
                found[table] = connection.execute(f"SELECT count(*) FROM older.{table}").fetchone()[0]  # noqa: S608
                continue
            missing = f"SELECT {same} FROM older.{table} EXCEPT SELECT {same} FROM main.{table}"  # noqa: S608
            found[table] = connection.execute(f"SELECT count(*) FROM ({missing})").fetchone()[0]  # noqa: S608
            for column in _CHANGING.get(table, set()):
                sql = (
                    f"SELECT count(*) FROM older.{table} o JOIN main.{table} n USING (id) "  # noqa: S608
                    f"WHERE o.{column} IS NOT n.{column} AND o.{column} IS NOT NULL "
                    + ("AND n.path IS NOT NULL" if column == "path" else "")
                )
                found[table] += connection.execute(sql).fetchone()[0]
        return {table: count for table, count in found.items() if count}
    finally:
        connection.close()


def counts(path: Path) -> dict[str, int]:
    """Return how many rows each table has; tables that cannot be read are left out."""
    found: dict[str, int] = {}
    try:
        connection = _looked_at(path)
    except sqlite3.Error:
        return found
    try:
        for table in TABLES:
            try:
                # The ids themselves, not an index of them: this is asked of damaged files.
                found[table] = len(connection.execute(f"SELECT id FROM {table} NOT INDEXED").fetchall())  # noqa: S608
            except sqlite3.Error:
                continue
    finally:
        connection.close()
    return found


def rewind(path: Path, number: int) -> None:
    """Take a run back to the moment before round `number` was trained; its pairs stay, later rounds go.

    Scores stay: they belong to weights, and the same weights need not be scored again.

    Raises:
        StoreError: The database cannot be used.
    """
    connection = open_database(path, create=False, read_only=False)
    later = "round_id IN (SELECT id FROM rounds WHERE number {} ?)"
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("PRAGMA defer_foreign_keys = ON")
        for table in _OF_ATTEMPT:
            connection.execute(f"DELETE FROM {table} WHERE {later.format('>=')}", (number,))  # noqa: S608
        for table in (*_OF_SAMPLES, "stages"):
            connection.execute(f"DELETE FROM {table} WHERE {later.format('>')}", (number,))  # noqa: S608
        for stage in _REDONE:
            connection.execute(f"DELETE FROM stages WHERE name = ? AND {later.format('=')}", (stage, number))  # noqa: S608
        connection.execute("DELETE FROM rounds WHERE number > ?", (number,))
        connection.execute("UPDATE rounds SET finished_at = NULL, outcome = NULL WHERE number = ?", (number,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def _looked_at(path: Path) -> sqlite3.Connection:
    """Return a connection that changes nothing of what it looks at."""
    return sqlite3.connect(_uri(path), uri=True, isolation_level=None)


def _uri(path: Path) -> str:
    return f"file:{quote(str(path.absolute()))}?mode=ro"


def _columns(connection: sqlite3.Connection, schema: str, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA {schema}.table_info({table})")}
