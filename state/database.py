"""Opening the database file: created whole, checked before use, and every failure put in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from state import StoreError, migrations

BUSY_S = 30.0
"""How long a statement waits for another process's lock."""

SIDE_FILES = ("", "-journal", "-wal", "-shm")
"""What SQLite keeps a database in: endings of file names."""


def open_database(path: Path, *, create: bool, read_only: bool) -> sqlite3.Connection:
    """Return a connection to the run database at `path`, at this program's schema version.

    Raises:
        StoreError: No such file, not ours, damaged, of a newer program, or not to be written.
    """
    with explained(path):
        try:
            if not path.exists():
                if not create or read_only:
                    raise StoreError(f"{path}: there is no run database here")
                _create(path)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror or error}; check the folder and its rights") from error
        # Looked at through a connection that cannot write: one that can, closed after it has refused the file, would
        # leave a log in it that belongs to another time.
        with closing(_connect(path, read_only=True)) as reader:
            _check(reader, path, read_only=read_only)
        connection = _connect(path, read_only=read_only)
        try:
            _prepare(connection, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _create(path: Path) -> None:
    """Make an empty database that appears under its name only once it is whole; one process at a time."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    for suffix in SIDE_FILES:
        fresh.with_name(fresh.name + suffix).unlink(missing_ok=True)
    os.close(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    connection = _connect(fresh, read_only=False)
    try:
        connection.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
        _prepare(connection, read_only=False)
    finally:
        connection.close()
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"
    if read_only and not os.access(path.parent, os.W_OK) and not path.with_name(path.name + "-wal").exists():
        # A reader of a WAL database needs a file beside it, unless nothing can change.
        mode = "ro&immutable=1"
    return sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}", uri=True, timeout=BUSY_S, isolation_level=None
    )


def _prepare(connection: sqlite3.Connection, *, read_only: bool) -> None:
    if not read_only:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrations.apply(connection)
    connection.execute("PRAGMA foreign_keys = ON")


def _check(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != migrations.APPLICATION_ID:
        raise StoreError(f"{path} is not a run database of this program; move it away or choose another run name")
    newer = sorted(set(migrations.applied(connection)) - migrations.STEPS.keys())
    if newer:
        raise StoreError(
            f"{path} was written by a newer version of this program (it has {newer[-1]}); use that version"
        )
    if read_only and migrations.pending(connection):
        raise StoreError(f"{path} was written by an older version; continue the run once to bring it up to date")
    if not read_only:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StoreError(damaged(path, " ".join(found.split())))


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's failures within the block into StoreError."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise
    except sqlite3.Error as error:
        raise StoreError(_explanation(path, error)) from error


def _explanation(path: Path, error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return damaged(path, str(error))
        case sqlite3.SQLITE_FULL:
            return f"{path}: the disk is full; what was stored before is kept; make room and repeat the same command"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_AUTH:
            return f"{path} cannot be opened for this ({error}); check the rights of the file and its folder"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return (
                f"{path} was locked by another process for {BUSY_S:.0f} s; end that process and repeat the same command"
            )
        case sqlite3.SQLITE_IOERR:
            return (
                f"{path}: reading or writing failed ({error}); what was stored before is kept; "
                "check the disk and repeat the same command"
            )
        case _:
            return f"{path}: {error}"


def damaged(path: Path, detail: str) -> str:
    """Return what to tell the user of a damaged database."""
    log = path.with_name(path.name + "-wal")
    other = f"; or, if it was put back from a copy, remove {log.name} beside it" if log.exists() else ""
    return (
        f"{path} is damaged ({detail}); go back to the newest copy of it with `python run_loop.py recover --run "
        f"{path.parent.name}`, or start again under another run name{other}"
    )
