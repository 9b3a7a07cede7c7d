"""What a program could leave on the host: processes, files, mounts, shared memory."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from sandbox.jail import FIRST_PRIVATE_UID

from .programs import HOSTILE

FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/", "/run", str(Path.home()), str(Path.cwd()))
IPC = ("/proc/sysvipc/shm", "/proc/sysvipc/msg", "/proc/sysvipc/sem")
PRIVATE_UIDS = range(FIRST_PRIVATE_UID, FIRST_PRIVATE_UID + 1000)
SUBREAPER = 36
PATIENCE_S = 3.0


@contextlib.contextmanager
def orphans_adopted() -> Iterator[None]:
    """Make this process the parent of every orphan among its descendants meanwhile, so that none can leave its tree."""
    libc = ctypes.CDLL(None)
    if libc.prctl(SUBREAPER, 1, 0, 0, 0):
        raise OSError("this process cannot adopt orphans")
    try:
        yield
    finally:
        processes()
        libc.prctl(SUBREAPER, 0, 0, 0, 0)


def processes() -> set[int]:
    """Return everything that runs below this process, found in the whole table; finished orphans are reaped."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() != psutil.STATUS_ZOMBIE:
                found.add(child.pid)
            elif child.ppid() == os.getpid():
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, os.WNOHANG)
    return found


def _written_names() -> frozenset[str]:
    """Return the last part of every path in a hostile program's text: other programs of this host write files too."""
    paths = {path for program in HOSTILE for path in re.findall(r"""['"]/([^'"\\\n]{1,80})['"]""", program.code)}
    return frozenset(path.rpartition("/")[2] for path in paths) - {""}


NAMES = _written_names()


def _is_theirs(entry: os.DirEntry[str]) -> bool:
    """Say whether a program of ours may have written a file: by its name, or by its owner at level `uid`."""
    if entry.name in NAMES or entry.name.startswith("left-behind") or entry.name.isdigit():
        return True
    with contextlib.suppress(OSError):
        return entry.stat(follow_symlinks=False).st_uid in PRIVATE_UIDS
    return False


def _files() -> frozenset[str]:
    found = []
    for folder in FOLDERS:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            found += [entry.path for entry in entries if _is_theirs(entry)]
    return frozenset(found)


def _lines(paths: Iterable[str], field: slice) -> frozenset[str]:
    found = set()
    for path in paths:
        with contextlib.suppress(OSError):
            found |= {" ".join([path, *line.split()[field]]) for line in Path(path).read_text().splitlines()}
    return frozenset(found)


@dataclass(frozen=True)
class Host:
    """What is on the host at one time."""

    processes: frozenset[int]
    files: frozenset[str]
    mounts: frozenset[str]
    segments: frozenset[str]

    @staticmethod
    def now() -> Host:
        """Look."""
        return Host(
            processes=frozenset(processes()),
            files=_files(),
            mounts=_lines(["/proc/self/mountinfo"], slice(3, 5)),
            segments=_lines(IPC, slice(0, 3)),
        )


def left_since(before: Host) -> list[str]:
    """Return what has come since, once what was ending has had its time to end."""
    deadline = time.monotonic() + PATIENCE_S
    while (more := processes() - before.processes) and time.monotonic() < deadline:
        time.sleep(0.02)
    now = Host.now()
    return [
        *(f"process {pid}" for pid in sorted(more)),
        *(f"file {path}" for path in sorted(now.files - before.files)),
        *(f"mount {mount}" for mount in sorted(now.mounts - before.mounts)),
        *(f"segment {segment}" for segment in sorted(now.segments - before.segments)),
    ]
