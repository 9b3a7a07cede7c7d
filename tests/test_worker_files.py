"""A model process leaves nothing behind: neither temporary files nor OpenMP's notes in shared memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from selfplay import worker_files
from selfplay.channel import Channel, Json, serve
from selfplay.worker import Worker


def main(job: Json, channel: Channel) -> None:
    """Be a worker that writes a temporary file and waits."""
    handle, name = tempfile.mkstemp()
    os.close(handle)
    channel.send({"file": name})
    channel.receive()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the folders of pytest be short enough."""
    monkeypatch.setattr(worker_files, "LONGEST", 4096)


@pytest.fixture
def segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of shared memory."""
    folder = tmp_path / "shm"
    folder.mkdir()
    monkeypatch.setattr(worker_files, "SEGMENTS", folder)
    return folder


@pytest.mark.usefixtures("short")
def test_a_workers_temporary_files_go_with_it(tmp_path: Path) -> None:
    with Worker("tests.test_worker_files", {}, log=tmp_path / "a.log") as worker:
        file = Path(next(worker.messages())["file"])
        assert file.parent == tmp_path / "a.tmp"
        assert file.exists()
        assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


@pytest.mark.usefixtures("short")
def test_what_a_killed_loop_has_left_of_a_worker_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.tmp").mkdir()
    (tmp_path / "a.tmp" / "left").write_text("")
    (tmp_path / "a.log").write_text("")
    worker_files.clear_all(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.log"]


def test_a_folder_too_long_for_sockets_is_not_used(tmp_path: Path) -> None:
    assert worker_files.temporary_folder(tmp_path / ("x" * 60) / "a.log") == {}


def test_segments_of_dead_processes_of_this_user_are_removed_and_no_others(tmp_path: Path, segments: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    mine, uid = os.getpid(), os.getuid()
    names = {f"__KMP_REGISTERED_LIB_{pid}_{user}" for pid in (dead.pid, mine) for user in (uid, uid + 1)}
    for name in (*names, "sem.other"):
        (segments / name).write_text("")
    worker_files.clear(tmp_path / "a.log")
    left = {path.name for path in segments.iterdir()}
    assert left == (names | {"sem.other"}) - {f"__KMP_REGISTERED_LIB_{dead.pid}_{uid}"}


if __name__ == "__main__":
    serve(main)
