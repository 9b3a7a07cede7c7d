"""The schema's history: each step, and the note that it ran, share one transaction.

A step is never edited once released; a change of the records comes with a new step below. Names sort in the order of
the steps. A database that holds a step unknown here was written by a newer program, and `Store` refuses it.

Columns are those of `state.records`, in STRICT tables. A UNIQUE constraint names what may happen once only; it is also
the index that the reads of `Store` use.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

APPLICATION_ID = 0x53504C59
"""Marks an SQLite file as ours ("SPLY")."""

_SET = "selfplay"

_TABLES = (
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL,
        config TEXT NOT NULL CHECK (json_valid(config)),
        code_version TEXT NOT NULL,
        packages TEXT NOT NULL CHECK (json_valid(packages)),
        host TEXT NOT NULL CHECK (json_valid(host)),
        model TEXT NOT NULL,
        model_sha256 TEXT NOT NULL,
        data_sha256 TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE problems (
        id TEXT PRIMARY KEY NOT NULL,
        source TEXT NOT NULL,
        position INTEGER NOT NULL CHECK (position >= 0),
        prompt TEXT NOT NULL,
        signature TEXT,
        entry_point TEXT,
        reference TEXT,
        reference_tests TEXT CHECK (reference_tests IS NULL OR json_valid(reference_tests)),
        dropped TEXT
    ) STRICT
    """,
    """
    CREATE TABLE rounds (
        id TEXT PRIMARY KEY NOT NULL,
        run_id TEXT NOT NULL REFERENCES runs (id),
        number INTEGER NOT NULL CHECK (number >= 1),
        champion_id TEXT REFERENCES adapters (id),
        started_at TEXT NOT NULL,
        finished_at TEXT,
        outcome TEXT CHECK (outcome IN ('promoted', 'kept', 'abandoned')),
        UNIQUE (run_id, number)
    ) STRICT
    """,
    """
    CREATE TABLE stages (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        name TEXT NOT NULL CHECK (
            name IN ('problems', 'code', 'tests', 'judge', 'select', 'train', 'benchmark', 'gate')
        ),
        started_at TEXT NOT NULL,
        wall_s REAL NOT NULL,
        model_s REAL,
        sandbox_s REAL,
        tokens INTEGER,
        executions INTEGER,
        peak_rss_bytes INTEGER,
        detail TEXT CHECK (detail IS NULL OR json_valid(detail)),
        UNIQUE (round_id, name)
    ) STRICT
    """,
    """
    CREATE TABLE replies (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        problem_id TEXT NOT NULL REFERENCES problems (id),
        kind TEXT NOT NULL CHECK (kind IN ('code', 'test')),
        position INTEGER NOT NULL CHECK (position >= 0),
        seed INTEGER NOT NULL,
        text TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        finish_reason TEXT NOT NULL CHECK (finish_reason IN ('stop', 'length')),
        UNIQUE (round_id, problem_id, kind, position)
    ) STRICT
    """,
    """
    CREATE TABLE samples (
        id TEXT PRIMARY KEY NOT NULL,
        reply_id TEXT NOT NULL REFERENCES replies (id),
        round_id TEXT NOT NULL REFERENCES rounds (id),
        problem_id TEXT NOT NULL REFERENCES problems (id),
        kind TEXT NOT NULL CHECK (kind IN ('code', 'test')),
        position INTEGER NOT NULL CHECK (position >= 0),
        source TEXT NOT NULL,
        defect TEXT,
        UNIQUE (round_id, problem_id, kind, reply_id, position)
    ) STRICT
    """,
    """
    CREATE TABLE executions (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        problem_id TEXT NOT NULL REFERENCES problems (id),
        role TEXT NOT NULL CHECK (role IN ('cell', 'stub', 'canary', 'code_truth', 'test_truth')),
        code_id TEXT REFERENCES samples (id),
        test_id TEXT REFERENCES samples (id),
        status TEXT NOT NULL,
        trust TEXT NOT NULL,
        level TEXT NOT NULL,
        wall_s REAL NOT NULL,
        cpu_s REAL NOT NULL,
        peak_rss_bytes INTEGER NOT NULL,
        detail TEXT NOT NULL,
        CHECK (role <> 'cell' OR (code_id IS NOT NULL AND test_id IS NOT NULL)),
        UNIQUE (round_id, problem_id, role, code_id, test_id)
    ) STRICT
    """,
    """
    CREATE TABLE matrices (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        problem_id TEXT NOT NULL REFERENCES problems (id),
        code_ids TEXT NOT NULL CHECK (json_valid(code_ids)),
        test_ids TEXT NOT NULL CHECK (json_valid(test_ids)),
        passed TEXT NOT NULL CHECK (json_valid(passed)),
        code_right TEXT,
        test_right TEXT,
        tampered INTEGER NOT NULL,
        vacuous INTEGER NOT NULL,
        UNIQUE (round_id, problem_id)
    ) STRICT
    """,
    """
    CREATE TABLE pairs (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        problem_id TEXT NOT NULL REFERENCES problems (id),
        rule TEXT NOT NULL,
        chosen_code_id TEXT NOT NULL REFERENCES samples (id),
        chosen_test_id TEXT NOT NULL REFERENCES samples (id),
        rejected_code_id TEXT NOT NULL REFERENCES samples (id),
        rejected_test_id TEXT NOT NULL REFERENCES samples (id),
        prompt TEXT NOT NULL CHECK (json_valid(prompt)),
        chosen TEXT NOT NULL,
        rejected TEXT NOT NULL,
        chosen_right INTEGER CHECK (chosen_right IN (0, 1)),
        rejected_right INTEGER CHECK (rejected_right IN (0, 1))
    ) STRICT
    """,
    "CREATE INDEX pairs_of_round ON pairs (round_id, problem_id)",
    """
    CREATE TABLE reliability (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        rule TEXT NOT NULL,
        pairs INTEGER NOT NULL,
        measured INTEGER NOT NULL CHECK (measured <= pairs),
        good INTEGER NOT NULL,
        inverted INTEGER NOT NULL,
        tests_measured INTEGER NOT NULL,
        tests_right INTEGER NOT NULL,
        CHECK (good + inverted <= measured),
        UNIQUE (round_id, rule)
    ) STRICT
    """,
    """
    CREATE TABLE adapters (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        parent_id TEXT REFERENCES adapters (id),
        path TEXT,
        sha256 TEXT,
        method TEXT NOT NULL CHECK (method IN ('dpo', 'kto')),
        reference TEXT NOT NULL CHECK (reference IN ('champion', 'base')),
        pairs INTEGER NOT NULL,
        steps INTEGER NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('trained', 'diverged', 'too_few_pairs')),
        reason TEXT NOT NULL,
        metrics TEXT NOT NULL CHECK (json_valid(metrics)),
        UNIQUE (round_id)
    ) STRICT
    """,
    """
    CREATE TABLE train_steps (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        step INTEGER NOT NULL CHECK (step >= 0),
        loss REAL,
        reward_margin REAL,
        reward_accuracy REAL,
        chosen_logp REAL,
        rejected_logp REAL,
        learning_rate REAL,
        grad_norm REAL,
        tokens INTEGER,
        wall_s REAL,
        UNIQUE (round_id, step)
    ) STRICT
    """,
    """
    CREATE TABLE scores (
        id TEXT PRIMARY KEY NOT NULL,
        weights_id TEXT NOT NULL,
        benchmark TEXT NOT NULL,
        decoding TEXT NOT NULL CHECK (json_valid(decoding)),
        task_id TEXT NOT NULL,
        position INTEGER NOT NULL CHECK (position >= 0),
        reply TEXT NOT NULL,
        source TEXT NOT NULL,
        passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
        status TEXT NOT NULL,
        trust TEXT NOT NULL,
        tokens INTEGER NOT NULL,
        wall_s REAL NOT NULL,
        UNIQUE (weights_id, benchmark, decoding, task_id, position)
    ) STRICT
    """,
    """
    CREATE TABLE promotions (
        id TEXT PRIMARY KEY NOT NULL,
        round_id TEXT NOT NULL REFERENCES rounds (id),
        candidate_id TEXT REFERENCES adapters (id),
        champion_id TEXT REFERENCES adapters (id),
        promoted INTEGER NOT NULL CHECK (promoted IN (0, 1)),
        reason TEXT NOT NULL,
        wins INTEGER NOT NULL,
        losses INTEGER NOT NULL,
        ties INTEGER NOT NULL,
        p_value REAL,
        alpha REAL NOT NULL,
        evidence TEXT NOT NULL CHECK (json_valid(evidence)),
        UNIQUE (round_id)
    ) STRICT
    """,
)


def tables(connection: sqlite3.Connection) -> None:
    """Make the tables of the first release."""
    for statement in _TABLES:
        connection.execute(statement)


def ground_truths(connection: sqlite3.Connection) -> None:
    """Make the table of benchmark tasks whose own right program was run."""
    connection.execute(
        """
        CREATE TABLE ground_truths (
            id TEXT PRIMARY KEY NOT NULL,
            benchmark TEXT NOT NULL,
            task_id TEXT NOT NULL,
            task_sha256 TEXT NOT NULL,
            host TEXT NOT NULL CHECK (json_valid(host)),
            checked_at TEXT NOT NULL,
            passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
            status TEXT NOT NULL,
            detail TEXT NOT NULL,
            wall_s REAL NOT NULL,
            UNIQUE (benchmark, host, task_id, task_sha256)
        ) STRICT
        """
    )


def rounds_asked(connection: sqlite3.Connection) -> None:
    """Note with the run how many rounds it shall have."""
    connection.execute("ALTER TABLE runs ADD COLUMN rounds INTEGER CHECK (rounds > 0)")


STEPS: dict[str, Callable[[sqlite3.Connection], None]] = {
    "0001_tables": tables,
    "0002_ground_truths": ground_truths,
    "0003_rounds_asked": rounds_asked,
}
"""Every step, in order."""


def applied(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the steps that ran on this database, in order."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = '_sqlite_migrations'").fetchall():
        return []
    found = connection.execute("SELECT name FROM _sqlite_migrations WHERE migration_set = ? ORDER BY rowid", (_SET,))
    return [name for (name,) in found.fetchall()]


def pending(connection: sqlite3.Connection) -> list[str]:
    """Return the names of the steps that this database lacks, in order."""
    return [name for name in STEPS if name not in applied(connection)]


def apply(connection: sqlite3.Connection) -> None:
    """Bring the database to the last step; one that fails leaves it at the step before.

    Raises:
        sqlite3.Error: A step failed.
    """
    if not pending(connection):
        return
    from sqlite_utils import Database, Migrations  # imports pandas where there is one: a second that readers can spare

    migrations = Migrations(_SET)
    for name, step in STEPS.items():
        migrations(name=name)(lambda db, step=step: step(db.conn))
    migrations.apply(Database(connection, recursive_triggers=False, execute_plugins=False))
