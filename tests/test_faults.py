"""Faults of the disk, the database, the adapter and the clock: nothing lost, nothing doubled, one clear message.

Every run here is compared with one to which nothing happened.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import psutil
import pytest

from state.records import Problem, Reply, Round, Stage
from state.store import Store
from tests import faulty_loop
from tests.faults import NAMESPACE, command, environment, finish, script, start, suffer, undisturbed
from tests.tables import rows
from tests.test_rounds import ROOT


def database(runs: Path) -> Path:
    return runs / "a" / "run.db"


def goes_on(runs: Path) -> None:
    """The same command again, in health, ends like an undisturbed run."""
    assert faulty_loop.run(runs, "a", 1) == 0
    assert rows(database(runs)) == undisturbed()


# -- full and broken disks ------------------------------------------------------------------------------------------

FULL = """
mount -t tmpfs -o size=256m none "$RUNS"
if [ -e "$OUT/script" ]; then cp -r "$OUT/script" "$RUNS"; fi
code=0; "$@" 2> "$OUT/stderr" || code=$?
echo $code > "$OUT/code"
rm "$RUNS/ballast"
cp -r "$RUNS" "$OUT/then"
"""


def on_a_small_disk(tmp_path: Path, *words: str) -> tuple[str, str, Path]:
    """Run a command on a disk of its own that it fills up; return exit code, standard error, and what it left."""
    runs, out = tmp_path / "runs", tmp_path / "out"
    runs.mkdir()
    out.mkdir(exist_ok=True)
    result = subprocess.run(
        [*NAMESPACE, FULL, "sh", *words],
        env=environment() | {"RUNS": str(runs), "OUT": str(out)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return (out / "code").read_text().strip(), (out / "stderr").read_text(), out / "then"


@pytest.mark.isolation
def test_a_full_disk_under_the_database_stops_the_run_which_goes_on_once_there_is_room(tmp_path: Path) -> None:
    code, errors, runs = on_a_small_disk(tmp_path, *command(tmp_path / "runs", "full@test"))
    assert code == "3"
    assert "Traceback" not in errors
    assert "run.db: the disk is full" in errors
    assert "make room and repeat the same command" in errors
    with Store.open(database(runs), read_only=True) as store:
        assert store.count(Reply, kind="code") == 9
        assert store.count(Reply, kind="test") == 0
        assert store.all(Round)[0].outcome is None
    goes_on(runs)


@pytest.mark.isolation
def test_a_full_disk_under_the_adapter_folder_stops_the_run_and_costs_no_round(tmp_path: Path) -> None:
    script(tmp_path / "out", trainer=[(6, "full")])
    code, errors, runs = on_a_small_disk(tmp_path, *command(tmp_path / "runs"))
    assert code == "3"
    assert "Traceback" not in errors.replace("Traceback (most recent call last):\n  File", "")
    last = errors.splitlines()[-1]
    assert last.startswith("error: worker tests.faulty_worker ended with status 1, because a disk is full or broken")
    assert "Make room or mend the disk, and repeat the same command" in last
    with Store.open(database(runs), read_only=True) as store:
        assert store.all(Round)[0].outcome is None
    shutil.rmtree(runs / "script")
    goes_on(runs)


def test_a_broken_disk_under_the_adapter_folder_stops_the_run_and_costs_no_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(tmp_path, trainer=[(-1, "eio")])
    assert faulty_loop.run(tmp_path, "a", 1) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert "because a disk is full or broken (Input/output error)" in last
    assert not (tmp_path / "a" / "adapters" / "round-0001").exists()
    shutil.rmtree(tmp_path / "script")
    goes_on(tmp_path)


def test_a_broken_disk_under_the_database_stops_the_run_which_goes_on_once_it_is_mended(tmp_path: Path) -> None:
    result = suffer(tmp_path, "pwrite64:EIO@score")
    assert result.returncode == 3, result.stderr
    (last,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "run.db: reading or writing failed" in last
    assert "what was stored before is kept; check the disk and repeat the same command" in last
    with Store.open(database(tmp_path), read_only=True) as store:
        assert {stage.name for stage in store.all(Stage)} == {"problems", "code", "tests", "judge"}
    goes_on(tmp_path)


def test_a_log_that_cannot_be_written_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    result = suffer(tmp_path, "log:EIO@code")
    assert result.returncode == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if "cannot be written" in line]
    assert len(told) == 1
    assert "run.log cannot be written ([Errno 5] Input/output error); the run goes on without it" in told[0]
    assert rows(database(tmp_path)) == undisturbed()


READ_ONLY = 'mount --bind "$RUNS" "$RUNS"; mount -o remount,ro,bind "$RUNS"; exec "$@"'


@pytest.mark.isolation
def test_a_read_only_run_folder_is_refused_and_can_still_be_looked_at(tmp_path: Path, finished: Path) -> None:
    def within(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*NAMESPACE, READ_ONLY, "sh", *words],
            env=environment() | {"RUNS": str(runs)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    refused = within(*command(runs, rounds=2))
    assert refused.returncode == 2, refused.stderr
    assert f"cannot write to the run folder {runs / 'a'}: Read-only file system" in refused.stderr
    assert "--runs-dir" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    shown = within(sys.executable, "run_loop.py", "status", "--runs-dir", str(runs), "--run", "a")
    assert shown.returncode == 0, shown.stderr
    assert "1 of 1 rounds finished" in shown.stdout


# -- the database ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with a finished run of one round."""
    runs = tmp_path_factory.mktemp("finished")
    assert faulty_loop.run(runs, "a", 1) == 0
    return runs


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder whose run was killed while the first test was on its way to the database."""
    runs = tmp_path_factory.mktemp("killed")
    assert finish(start(runs, "signal:SIGKILL@test")).returncode == -9
    assert (runs / "a" / "run.db-wal").stat().st_size > 0
    return runs


@pytest.mark.parametrize("kept_frac", [0.0, 0.3, 0.9])
def test_a_truncated_database_is_refused_and_left_as_it_is(
    tmp_path: Path, finished: Path, kept_frac: float, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    whole = database(tmp_path).read_bytes()
    torn = whole[: int(kept_frac * len(whole))]
    database(tmp_path).write_bytes(torn)
    assert faulty_loop.run(tmp_path, "a", 1) == 3
    (message,) = capsys.readouterr().err.splitlines()
    assert message.startswith(f"error: {database(tmp_path)} is ")
    assert "damaged" in message or "not a run database" in message
    assert database(tmp_path).read_bytes() == torn


def test_a_write_ahead_log_left_behind_is_taken_up_and_the_run_goes_on(tmp_path: Path, killed: Path) -> None:
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    goes_on(tmp_path)


def test_a_torn_write_ahead_log_loses_whole_transactions_from_the_end_and_nothing_else(
    tmp_path: Path, killed: Path
) -> None:
    """As after a power failure: the last pages of the log never reached the disk."""
    seen = []
    size = (killed / "a" / "run.db-wal").stat().st_size
    for cut in range(0, size, size // 7):
        shutil.rmtree(tmp_path / "a", ignore_errors=True)
        shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
        with (tmp_path / "a" / "run.db-wal").open("r+b") as stream:
            stream.truncate(size - cut)
        with Store.open(database(tmp_path)) as store:
            assert store.count(Problem) in {0, 34}
            assert store.count(Reply) % 3 == 0
            seen.append(store.count(Reply))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] == 9
    assert seen[-1] == 0
    goes_on(tmp_path)


# -- adapter, clock, reboot -----------------------------------------------------------------------------------------


def test_a_torn_adapter_file_stops_the_run_until_it_is_whole_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert faulty_loop.run(tmp_path, "a", 1, "signal:SIGTERM@candidate") == 0
    before = rows(database(tmp_path))
    file = tmp_path / "a" / "adapters" / "round-0001" / "adapter_model.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    capsys.readouterr()
    assert faulty_loop.run(tmp_path, "a", 1) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert f"adapter {file.parent} is not what was trained" in last
    assert "put the folder back from a copy, or go back to before it with" in last
    assert rows(database(tmp_path)) == before
    file.unlink()
    assert faulty_loop.run(tmp_path, "a", 1) == 3
    assert f"adapter {file.parent}: adapter_model.safetensors cannot be read" in capsys.readouterr().err
    file.write_bytes(whole)
    goes_on(tmp_path)


def test_a_clock_that_jumps_back_a_day_changes_nothing_but_the_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfplay.session.datetime", datetime)
    assert faulty_loop.run(tmp_path, "a", 1, "clock:-86400@score") == 0
    assert rows(database(tmp_path)) == undisturbed()
    with Store.open(database(tmp_path), read_only=True) as store:
        (round_,) = store.all(Round)
        stages = store.all(Stage, round_id=round_.id)
    assert round_.finished_at is not None
    assert round_.finished_at < round_.started_at
    assert all(0 <= stage.wall_s < 60 for stage in stages)
    assert [stage.name for stage in stages] == [
        "problems", "code", "tests", "judge", "select", "train", "benchmark", "gate",
    ]  # fmt: skip


def test_after_a_reboot_a_stale_lock_and_a_process_id_that_is_somebody_elses_do_no_harm(
    tmp_path: Path, killed: Path
) -> None:
    shutil.copytree(killed, tmp_path, dirs_exist_ok=True)
    assert (tmp_path / "a" / "lock").exists()
    with subprocess.Popen(["sleep", "60"]) as innocent:
        (tmp_path / "a" / "owner").write_text(str(innocent.pid))
        goes_on(tmp_path)
        assert psutil.Process(innocent.pid).status() == psutil.STATUS_SLEEPING
        innocent.kill()


def test_a_write_ahead_log_of_another_time_is_refused_and_both_files_are_left_as_they_are(
    tmp_path: Path, finished: Path, killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after putting back a copy of run.db alone, and leaving what lay beside it."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    foreign = tmp_path / "a" / "run.db-wal"
    shutil.copy(killed / "a" / "run.db-wal", foreign)
    before = database(tmp_path).read_bytes(), foreign.read_bytes()
    assert faulty_loop.run(tmp_path, "a", 1) == 3
    (message,) = capsys.readouterr().err.splitlines()
    assert f"{database(tmp_path)} is damaged" in message
    assert "if it was put back from a copy, remove run.db-wal beside it" in message
    assert (database(tmp_path).read_bytes(), foreign.read_bytes()) == before
    foreign.unlink()
    goes_on(tmp_path)
