"""What happens to the file: made, killed, damaged, filled up, read by others, older and newer."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from state import StoreError, migrations
from state.records import Problem, Run
from state.store import Store
from tests.state import rows

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "run.db"
    with Store.open(path, create=True) as store:
        store.add(rows.run())
    return path


def python(source: str, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(source), *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def private_mounts(reason: str) -> tuple[str, ...]:
    """The command prefix for a mount namespace of one's own; skips where the host has none."""
    prefix = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--user", "--map-root-user", "--mount")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"{reason}: needs a mount namespace (unshare), which this host does not grant")
    return prefix


def test_folder_and_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    with Store.open(tmp_path / "new" / "run.db", create=True) as store:
        store.add(rows.run())
        files = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "new").iterdir()}
    assert files == {"run.db": 0o600, "run.db-wal": 0o600, "run.db-shm": 0o600}
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


def test_a_run_that_does_not_exist_is_not_made_by_looking(tmp_path: Path) -> None:
    for read_only in (True, False):
        with pytest.raises(StoreError, match="there is no run database here"):
            Store.open(tmp_path / "run.db", create=False, read_only=read_only)
    assert list(tmp_path.iterdir()) == []


def test_a_creation_that_was_killed_halfway_is_begun_again(tmp_path: Path) -> None:
    (tmp_path / "run.db.new").write_bytes(b"half a file")
    (tmp_path / "run.db.new-wal").write_bytes(b"half a log")
    with Store.open(tmp_path / "run.db", create=True) as store:
        store.add(rows.run())
    assert [file.name for file in tmp_path.iterdir()] == ["run.db"]


def test_settings_that_safety_rests_on_are_in_force(path: Path) -> None:
    with Store.open(path) as store:
        settings = {
            name: store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "application_id", "busy_timeout")
        }
    assert settings == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "application_id": migrations.APPLICATION_ID,
        "busy_timeout": 30_000,
    }  # fmt: skip


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from state.store import Store
    from tests.state import rows

    with Store.open(Path(sys.argv[1])) as store:
        if sys.argv[2] == "after":
            with store.transaction():
                store.add(*(rows.problem(number) for number in range(5000)))
            os.kill(os.getpid(), signal.SIGKILL)
        with store.transaction():
            # More than the page cache holds: part of it is in the write-ahead log when the kill comes.
            store._connection.execute("PRAGMA cache_size = 10")
            store.add(*(rows.problem(number) for number in range(5000)))
            assert Path(sys.argv[1] + "-wal").stat().st_size > 100_000
            os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize(("moment", "stored"), [("during", 0), ("after", 5000)])
def test_a_killed_process_leaves_all_of_a_transaction_or_nothing(path: Path, moment: str, stored: int) -> None:
    done = python(KILLED, str(path), moment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with Store.open(path) as store:
        assert store.count(Problem) == stored
        store.add(rows.problem(9999))
        assert store.count(Problem) == stored + 1


def test_a_reader_sees_whole_transactions_while_another_process_writes(path: Path) -> None:
    writer = Store.open(path)
    with Store.open(path, read_only=True) as reader:
        with writer.transaction():
            writer.add(rows.problem(0), rows.problem(1))
            assert reader.count(Problem) == 0
        assert reader.count(Problem) == 2
        with pytest.raises(StoreError, match="cannot be opened for this"):
            reader.add(rows.problem(2))
        other = python(
            """
            import sys
            from pathlib import Path
            from state.records import Problem
            from state.store import Store
            with Store.open(Path(sys.argv[1]), read_only=True) as store:
                print(store.count(Problem))
            """,
            str(path),
        )
        assert (other.stdout.strip(), other.returncode) == ("2", 0), other.stderr
    writer.close()


def test_a_writer_waits_for_another_and_then_says_who_is_in_the_way(path: Path) -> None:
    with Store.open(path) as first, Store.open(path) as second:
        second._connection.execute("PRAGMA busy_timeout = 50")
        with first.transaction():
            first.add(rows.problem())
            with pytest.raises(StoreError, match="locked by another process"), second.transaction():
                pass
        second.add(rows.problem(1))
        assert first.count(Problem) == 2


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    for content in (b"", b"x" * 5000):
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"run\.db is (not a run database|damaged)"):
            Store.open(path, create=True)
        assert path.read_bytes() == content


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE songs (title)")
    connection.close()
    with pytest.raises(StoreError, match="not a run database of this program"):
        Store.open(path, create=True)
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (1,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


@pytest.mark.parametrize("harm", ["cut", "overwritten"])
def test_a_damaged_file_is_refused_with_advice(path: Path, harm: str) -> None:
    with Store.open(path) as store:
        store.add(*(rows.problem(number) for number in range(500)))
    data = path.read_bytes()
    half = len(data) // 2 // 4096 * 4096
    path.write_bytes(data[:half] if harm == "cut" else data[:half] + b"\xff" * 8192 + data[half + 8192 :])
    with pytest.raises(StoreError, match=r"is damaged .* another run name"):
        Store.open(path)


def test_a_full_disk_keeps_what_was_stored_and_says_so(tmp_path: Path) -> None:
    prefix = private_mounts("a full disk")
    done = python(
        """
        import dataclasses, subprocess, sys
        from pathlib import Path
        from state import StoreError
        from state.records import Problem
        from state.store import Store
        from tests.state import rows

        folder = Path(sys.argv[1])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600k", "none", str(folder)], check=True)
        big = dataclasses.replace(rows.problem(1), prompt="x" * 1_000_000)
        with Store.open(folder / "run.db", create=True) as store:
            store.add(rows.problem(0))
            try:
                with store.transaction():
                    store.add(rows.problem(2))
                    store.add(big)
            except StoreError as error:
                print(error)
            assert [problem.position for problem in store.all(Problem)] == [0]
            store.add(rows.problem(3))
        with Store.open(folder / "run.db") as store:
            assert [problem.position for problem in store.all(Problem)] == [0, 3]
        """,
        str(tmp_path),
        prefix=prefix,
    )
    assert done.returncode == 0, done.stderr
    assert "the disk is full; what was stored before is kept; make room" in done.stdout


def test_a_write_that_the_system_refuses_keeps_what_was_stored(path: Path) -> None:
    done = python(
        """
        import dataclasses, resource, sys
        from pathlib import Path
        from state import StoreError
        from state.records import Problem
        from state.store import Store
        from tests.state import rows

        path = Path(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        with Store.open(path) as store:
            store.add(rows.problem(0))
            try:
                store.add(dataclasses.replace(rows.problem(1), prompt="x" * 1_000_000))
            except StoreError as error:
                print(error)
            store.add(rows.problem(3))
            assert [problem.position for problem in store.all(Problem)] == [0, 3]
        """,
        str(path),
    )
    assert done.returncode == 0, done.stderr
    assert "what was stored before is kept" in done.stdout


def test_a_read_only_folder_can_be_read_and_says_why_it_cannot_be_written(path: Path) -> None:
    prefix = private_mounts("a read-only folder")
    done = python(
        """
        import subprocess, sys
        from pathlib import Path
        from state import StoreError
        from state.records import Run
        from state.store import Store

        path = Path(sys.argv[1])
        subprocess.run(["mount", "--bind", str(path.parent), str(path.parent)], check=True)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(path.parent)], check=True)
        with Store.open(path, read_only=True) as store:
            assert store.count(Run) == 1
        for name in ("run.db", "other.db"):
            try:
                Store.open(path.with_name(name), create=True)
            except StoreError as error:
                print(error)
        """,
        str(path),
        prefix=prefix,
    )
    assert done.returncode == 0, done.stderr
    existing, fresh = done.stdout.splitlines()
    assert "check the rights of the file and its folder" in existing
    assert "Read-only file system; check the folder and its rights" in fresh


@pytest.fixture
def next_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A database of ours, in a program with one more migration."""

    def colour(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN colour TEXT")

    monkeypatch.setitem(migrations.STEPS, "0004_colour", colour)
    return path


def test_an_older_database_is_brought_up_to_date_by_writing_only(next_version: Path) -> None:
    path = next_version
    with pytest.raises(StoreError, match="older version; continue the run once"):
        Store.open(path, read_only=True)
    for _ in range(2):
        with Store.open(path) as store:
            assert store.all(Run) == [rows.run()]
            assert store._connection.execute("SELECT colour FROM runs").fetchall() == [(None,)]
    assert applied_steps(path) == ["0001_tables", "0002_ground_truths", "0003_rounds_asked", "0004_colour"]
    with Store.open(path, read_only=True) as store:
        assert store.count(Run) == 1


def test_a_database_of_the_first_release_says_nothing_of_the_rounds_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    with monkeypatch.context() as patch:
        patch.delitem(migrations.STEPS, "0003_rounds_asked")
        Store.open(path, create=True).close()
        old = {name: value for name, value in dataclasses.asdict(rows.run()).items() if name != "rounds"}
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", tuple(old.values()))
            connection.commit()
    with Store.open(path) as store:
        assert store.all(Run) == [dataclasses.replace(rows.run(), rounds=None)]


def test_a_migration_that_fails_leaves_the_older_database_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN taste TEXT")
        connection.execute("UPDATE runs SET no_such_column = 1")

    with monkeypatch.context() as patch:
        patch.setitem(migrations.STEPS, "0004_taste", broken)
        with pytest.raises(StoreError, match="no such column"):
            Store.open(path)
    assert applied_steps(path) == ["0001_tables", "0002_ground_truths", "0003_rounds_asked"]
    with Store.open(path) as store:
        assert store.all(Run) == [rows.run()]
        assert "taste" not in {row[1] for row in store._connection.execute("PRAGMA table_info(runs)")}


def test_a_database_of_a_newer_program_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(migrations.STEPS, "0009_tomorrow", lambda _: None)
        Store.open(path).close()
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"newer version of this program \(it has 0009_tomorrow\)"):
            Store.open(path, read_only=read_only)


def test_steps_are_named_in_the_order_in_which_they_run(path: Path) -> None:
    assert list(migrations.STEPS) == sorted(migrations.STEPS) == applied_steps(path)


def applied_steps(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return migrations.applied(connection)


def test_a_database_that_is_up_to_date_opens_without_the_migration_tool(path: Path) -> None:
    done = python(
        """
        import sys
        from pathlib import Path
        from state.store import Store
        Store.open(Path(sys.argv[1])).close()
        assert not {"sqlite_utils", "pandas", "numpy"} & sys.modules.keys()
        """,
        str(path),
    )
    assert done.returncode == 0, done.stderr
