"""The run's database: the only SQL of the project besides the schema's (migrations.py) and repair.py's.

Durability: WAL with `synchronous=FULL`. A `kill -9` never loses a commit under any setting; FULL also keeps commits
through a power failure. Commits are few (one a unit of work), so the sync costs next to nothing, and things outside the
database rely on it: an adapter's folder may be deleted only after the row that says so is safe.

One connection, one thread, one writing process (the run's lock sees to that); any number of processes may read
meanwhile.
"""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, get_type_hints

from state import StoreError, backup, overview, records
from state.database import explained, open_database
from state.overview import RoundOverview
from state.records import GroundTruth, Matrix, Record, Round, Sample, Score, Stage

__all__ = ["RoundOverview", "Store"]

R = TypeVar("R", bound=Record)
Value = str | int | float | None
"""What a column holds; bool is an int."""

_ORDER: dict[type, str] = {
    records.Run: "created_at, id",
    records.Problem: "source, position, id",
    records.Round: "number, id",
    records.Stage: "instr('problems code tests judge select train benchmark gate', name), id",
    records.Reply: "problem_id, kind, position",
    records.Sample: "problem_id, kind, (SELECT r.position FROM replies r WHERE r.id = reply_id), position, id",
    records.Execution: "problem_id, role, code_id, test_id, id",
    records.Matrix: "problem_id",
    records.Pair: "problem_id, id",
    records.Reliability: "rule",
    records.Adapter: "id",
    records.TrainStep: "step",
    records.Score: "weights_id, benchmark, decoding, task_id, position",
    records.GroundTruth: "benchmark, checked_at, task_id, id",
    records.Promotion: "id",
}
"""Natural order; records of a round are ordered by the round's number first."""

_OF_ROUND = "(SELECT o.number FROM rounds o WHERE o.id = round_id)"


@dataclass(frozen=True, slots=True)
class _Table:
    """The SQL of one record type, made once."""

    name: str
    columns: tuple[str, ...]
    booleans: frozenset[str]
    insert: str
    update: str


def _table(name: str, record: type[Record]) -> _Table:
    columns = tuple(field.name for field in fields(record))
    hints = get_type_hints(record)
    listed = ", ".join(columns)
    sets = ", ".join(f"{column} = ?{number}" for number, column in enumerate(columns, start=1) if column != "id")
    # The conflict clause names id alone: OR IGNORE would also swallow a missing value or a doubled natural key.
    insert = f"INSERT INTO {name} ({listed}) VALUES ({', '.join('?' * len(columns))}) ON CONFLICT (id) DO NOTHING"  # noqa: S608
    update = f"UPDATE {name} SET {sets} WHERE id = ?{columns.index('id') + 1}"  # noqa: S608
    booleans = frozenset(column for column in columns if hints[column] in (bool, bool | None))
    return _Table(name, columns, booleans, insert, update)


_TABLES: dict[type, _Table] = {record: _table(name, record) for name, record in records.TABLES.items()}


class Store:
    """An open database; close it, or use it as a context manager."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    @classmethod
    def open(cls, path: Path, *, create: bool = False, read_only: bool = False) -> Store:
        """Return the database at `path`, at this program's schema version.

        Args:
            path: The database file.
            create: Make file and folder (readable by their owner alone) where there is none. The file appears whole or
                not at all, whenever the process is killed.
            read_only: Change nothing, not even the schema; for readers of a run that another process may be writing.

        Raises:
            StoreError: No such file, not ours, damaged, written by a newer program, or not writable.
        """
        return cls(open_database(path, create=create, read_only=read_only), path)

    def close(self) -> None:
        """Give the file back; changes of an open transaction are undone."""
        with explained(self._path):
            self._connection.close()

    def snapshot(self, path: Path) -> None:
        """Make the file `path` a checked copy of everything that is committed; it appears whole or not at all.

        Raises:
            StoreError: The database is damaged, or the machine refused; an earlier file of that name is kept.
        """
        with explained(self._path):
            backup.snapshot(self._connection, path)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make everything added within one change: committed at the end, undone if the block raises.

        Raises:
            StoreError: The machine refused (disk full, read-only); what was there before is kept.
            RuntimeError: A transaction is open already.
        """
        connection = self._connection
        if connection.in_transaction:
            raise RuntimeError("transactions do not nest")
        with explained(self._path):
            connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            with explained(self._path):
                connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with suppress(sqlite3.Error):  # what fails here has failed before, and says why; a restart rolls back
                    connection.execute("ROLLBACK")
            raise

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """Have every read within the block see the database as it is at the first one, whoever writes meanwhile."""
        with explained(self._path):
            self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.rollback()

    def add(self, *new: Record) -> None:
        """Store records, in order; one whose id is there already changes nothing.

        Outside of `transaction` this is a transaction of its own. Not-a-number becomes None, and lone surrogates "?".

        Raises:
            StoreError: A record names one that does not exist, repeats another's natural key, or breaks a rule of its
                table.
        """
        self.add_all(new)

    def add_all(self, new: Iterable[Record]) -> None:
        """Store records like `add`; reads the iterable once, without holding it in memory."""
        if not self._connection.in_transaction:
            with self.transaction():
                self.add_all(new)
            return
        for record, group in itertools.groupby(new, key=type):
            table = _TABLES[record]
            last: list[Record] = []
            with explained(self._path), _named(self._path, table, last):
                self._connection.executemany(table.insert, _rows_of(table, group, last))

    def replace(self, record: Record) -> None:
        """Give the stored record of the same id the values of `record`.

        Raises:
            StoreError: There is no such record, or the new values break a rule of its table.
        """
        if not self._connection.in_transaction:
            with self.transaction():
                self.replace(record)
            return
        table = _TABLES[type(record)]
        with explained(self._path), _named(self._path, table, [record]):
            changed = self._connection.execute(table.update, _values(table, record)).rowcount
        if changed != 1:
            raise StoreError(f"{self._path}: no row {record.id} in {table.name} to change")

    def all(self, record: type[R], **equals: Value) -> list[R]:
        """Return the records whose fields have these values, in natural order (records of rounds by round first)."""
        return self._select(record, equals)

    def get(self, record: type[R], id: str) -> R | None:
        """Return the record with this id, or None."""
        found = self._select(record, {"id": id})
        return found[0] if found else None

    def count(self, record: type[Record], **equals: Value) -> int:
        """Return how many records have these values."""
        table = _TABLES[record]
        where, values = _where(table, equals)
        return int(self._rows(f"SELECT count(*) FROM {table.name}{where}", values)[0][0])  # noqa: S608

    def total(self, record: type[Record], field: str, **equals: Value) -> int:
        """Return the sum of a whole-number field over the records with these values; 0 where there are none."""
        table = _TABLES[record]
        if field not in table.columns:
            raise TypeError(f"{table.name} has no field {field}")
        where, values = _where(table, equals)
        return int(self._rows(f"SELECT coalesce(sum({field}), 0) FROM {table.name}{where}", values)[0][0])  # noqa: S608

    def newest(self, record: type[R], **equals: Value) -> R | None:
        """Return the record with these values that was stored last, or None."""
        table = _TABLES[record]
        where, values = _where(table, equals)
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name}{where} ORDER BY rowid DESC LIMIT 1"  # noqa: S608
        rows = self._rows(sql, values)
        return _record(record, table, rows[0]) if rows else None

    def answered(self, round_id: str, kind: str, *, replies: int = 1) -> set[str]:
        """Return the ids of the problems that have at least this many replies of a kind.

        A problem's replies are stored in one transaction, so that one stored reply says that all are.
        """
        sql = "SELECT problem_id FROM replies WHERE round_id = ? AND kind = ? GROUP BY problem_id HAVING count(*) >= ?"
        return {row[0] for row in self._rows(sql, (round_id, kind, replies))}

    def judged(self, round_id: str) -> set[str]:
        """Return the ids of the problems that have a pass matrix in a round."""
        return {matrix[0] for matrix in self._rows("SELECT problem_id FROM matrices WHERE round_id = ?", (round_id,))}

    def samples_of(self, round_id: str, problem_id: str, kind: str, *, usable: bool = True) -> list[Sample]:
        """Return a problem's samples by reply, then place in the reply; `usable` leaves out those with a defect."""
        equals: dict[str, Value] = {"round_id": round_id, "problem_id": problem_id, "kind": kind}
        return self._select(Sample, equals | {"defect": None} if usable else equals)

    def scores(self, weights_id: str, benchmark: str, decoding: str) -> list[Score]:
        """Return the scores of one set of weights on one benchmark, by task and sample."""
        return self._select(Score, {"weights_id": weights_id, "benchmark": benchmark, "decoding": decoding})

    def ground_truths(self, benchmark: str, host: str) -> list[GroundTruth]:
        """Return what became of a benchmark's own right programs on a host, by time and task."""
        return self._select(GroundTruth, {"benchmark": benchmark, "host": host})

    def left_out(self) -> dict[str, tuple[int, int]]:
        """Return, for each benchmark, how many tasks the newest host could score and how many it left out."""
        latest: dict[str, GroundTruth] = {found.benchmark: found for found in self._select(GroundTruth, {})}
        counts = {}
        for name, newest in latest.items():
            passed = [found.passed for found in self.ground_truths(name, newest.host)]
            counts[name] = (sum(passed), len(passed) - sum(passed))
        return counts

    def stage(self, round_id: str, name: str) -> Stage | None:
        """Return a stage of a round if it is finished."""
        found = self._select(Stage, {"round_id": round_id, "name": name})
        return found[0] if found else None

    def rounds_overview(self) -> list[RoundOverview]:
        """Return one summary a round, by number."""
        executions = dict(self._rows("SELECT round_id, count(*) FROM executions GROUP BY round_id", ()))
        samples = {
            (round_id, kind): count
            for round_id, kind, count in self._rows(
                "SELECT round_id, kind, count(*) FROM samples WHERE defect IS NULL GROUP BY round_id, kind", ()
            )
        }
        return [
            overview.of_round(
                turn,
                judged=self.count(Matrix, round_id=turn.id),
                codes=samples.get((turn.id, "code"), 0),
                tests=samples.get((turn.id, "test"), 0),
                executions=executions.get(turn.id, 0),
                rules={
                    rule: pairs
                    for rule, pairs in self._rows(
                        "SELECT rule, count(*) FROM pairs WHERE round_id = ? GROUP BY rule", (turn.id,)
                    )
                },
                reliability=self.all(records.Reliability, round_id=turn.id),
                steps=self.all(records.TrainStep, round_id=turn.id),
                adapters=self.all(records.Adapter, round_id=turn.id),
                promotions=self.all(records.Promotion, round_id=turn.id),
                stages=self.all(Stage, round_id=turn.id),
            )
            for turn in self.all(Round)
        ]

    def _select(self, record: type[R], equals: dict[str, Value]) -> list[R]:
        table = _TABLES[record]
        where, values = _where(table, equals)
        order = _ORDER[record]
        if "round_id" in table.columns and "round_id" not in equals:
            order = f"{_OF_ROUND}, {order}"
        sql = f"SELECT {', '.join(table.columns)} FROM {table.name}{where} ORDER BY {order}"  # noqa: S608
        return [_record(record, table, row) for row in self._rows(sql, values)]

    def _rows(self, sql: str, values: tuple[Value, ...]) -> list[tuple[Any, ...]]:
        with explained(self._path):
            return list(self._connection.execute(sql, values))


def _rows_of(table: _Table, group: Iterable[Record], last: list[Record]) -> Iterator[tuple[Value, ...]]:
    for item in group:
        last[:] = [item]
        yield _values(table, item)


@contextmanager
def _named(path: Path, table: _Table, last: list[Record]) -> Iterator[None]:
    """Name the record that the database refused."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        ids = ", ".join(record.id for record in last)
        raise StoreError(f"{path}: {table.name} refuses {ids}: {error}") from error


def _values(table: _Table, record: Record) -> tuple[Value, ...]:
    values = [getattr(record, column) for column in table.columns]
    for place, value in enumerate(values):
        if isinstance(value, str) and not value.isascii():
            values[place] = value.encode(errors="replace").decode()
    return tuple(values)


def _record(record: type[R], table: _Table, row: tuple[Any, ...]) -> R:
    values = dict(zip(table.columns, row, strict=True))
    for column in table.booleans:
        if values[column] is not None:
            values[column] = bool(values[column])
    return record(**values)


def _where(table: _Table, equals: dict[str, Value]) -> tuple[str, tuple[Value, ...]]:
    unknown = equals.keys() - set(table.columns)
    if unknown:
        raise TypeError(f"{table.name} has no field {', '.join(sorted(unknown))}")
    if not equals:
        return "", ()
    return " WHERE " + " AND ".join(f"{column} IS ?" for column in equals), tuple(equals.values())
