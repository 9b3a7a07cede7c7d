"""Copies of the run's database: made while it is in use, whole or not at all, and put back when it is damaged.

A copy is one file in rollback mode, with nothing beside it. It is checked before it takes its name, so that a database
that has gone bad never pushes out the last good copy of it.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path

from state import StoreError
from state.database import SIDE_FILES, damaged, explained

_CHECKS = ("integrity_check(3)", "foreign_key_check")


def snapshot(source: sqlite3.Connection, path: Path) -> None:
    """Make the file `path` hold everything that is committed in `source`; an earlier file of that name is replaced.

    Raises:
        StoreError: The database is damaged, or the machine refused (disk full); what was at `path` is kept.
    """
    part = _empty(path)
    try:
        with explained(part):
            _copy(source, part)
        _take_name(part, path)
    finally:
        part.unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, part: Path) -> None:
    target = sqlite3.connect(part, isolation_level=None)
    try:
        source.backup(target)
        wrong = integrity(target)
        if wrong:
            raise StoreError(damaged(Path(_file(source)), wrong[0]))
        target.execute("PRAGMA journal_mode = DELETE")
    finally:
        target.close()


def restore(copy: Path, path: Path) -> None:
    """Make `path` a copy of the file `copy`; the caller has moved away what was there, its side files included."""
    part = _empty(path)
    shutil.copyfile(copy, part)
    _take_name(part, path)


def integrity(connection: sqlite3.Connection) -> list[str]:
    """Return what SQLite finds wrong with the structure of a database and the references in it."""
    found = []
    try:
        for check in _CHECKS:
            rows = connection.execute(f"PRAGMA {check}").fetchall()
            found += [" ".join(str(part) for part in row) for row in rows if row != ("ok",)]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise
        found.append(str(error))
    return [" ".join(line.split()) for line in found]


def _empty(path: Path) -> Path:
    """Return an empty file, for its owner alone, that will become `path`."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    for suffix in SIDE_FILES:
        part.with_name(part.name + suffix).unlink(missing_ok=True)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return part


def _take_name(part: Path, path: Path) -> None:
    """Give a finished file its name once it is on disk."""
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _file(connection: sqlite3.Connection) -> str:
    return str(connection.execute("PRAGMA database_list").fetchone()[2])
