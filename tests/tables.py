"""A run's tables, without what tells when and how fast: two runs that did the same are equal."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from state.records import TABLES

UNSTABLE = {
    "wall_s", "cpu_s", "peak_rss_bytes", "created_at", "started_at", "finished_at", "model_s", "sandbox_s",
    "checked_at", "code_version",
}  # fmt: skip
"""Columns that tell when, how fast and from which commit, not what."""
LAST_START = {"stages": {"tokens", "executions"}}
"""What the start that finished a stage did itself, so that it goes with its time; the rows it counts are compared."""
CANARY = "CASE WHEN name = 'code' THEN NULL ELSE detail END"
"""Stands for `stages.detail`: of the stage `code` it is the canary of the last engine start, if that start had one."""

Rows = dict[str, list[tuple[object, ...]]]


def rows(database: Path) -> Rows:
    """Return every table's rows, sorted, without the columns that tell when and how fast."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = {}
        for table, record in TABLES.items():
            left_out = UNSTABLE | LAST_START.get(table, set())
            columns = [name for name in record.__dataclass_fields__ if name not in left_out]
            if table == "stages":
                columns = [CANARY if name == "detail" else name for name in columns]
            found[table] = sorted(connection.execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall(), key=repr)  # noqa: S608
        return found
    finally:
        connection.close()
