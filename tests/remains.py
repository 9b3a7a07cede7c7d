"""What an ended run may have left on the host: processes, temporary files, mounts, shared memory, locks."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.leftovers import processes

PATIENCE_S = 5.0
"""Time that what was started may take to end after its parent."""
SHARED = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run")


def seen(private: Sequence[str]) -> set[str]:
    """Return what is on the host besides processes and the runs' own folders.

    Args:
        private: Shared folders that are this process's and its children's alone; nobody else's files are looked at.
    """
    found = set()
    for folder in (os.environ["TMPDIR"], *private):
        with contextlib.suppress(OSError):
            found |= {f"file {path}" for path in Path(folder).rglob("*")}
    found |= {f"mount {' '.join(line.split()[3:5])}" for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    for name in ("shm", "msg", "sem"):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/sysvipc/{name}").read_text().splitlines()[1:]
            found |= {f"{name} {line.split()[1]}" for line in lines} if alone() else set()
    return found


def alone() -> bool:
    """Return whether this is the first process of namespaces of its own (chaos_lane.py)."""
    return os.getpid() == 1


def locks(folder: Path) -> list[str]:
    """Return the locks that somebody holds on files below a folder."""
    inodes = {}
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            inodes[path.stat().st_ino] = path.name
    held = [
        line.split()[5].rpartition(":")[2] for line in Path("/proc/locks").read_text().splitlines() if "->" not in line
    ]
    return [f"lock on {inodes[int(inode)]}" for inode in held if int(inode) in inodes]


def left_behind(folder: Path, before: set[str], private: Sequence[str]) -> list[str]:
    """Return what an ended start has left, once what was ending has had its time."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = []
        for pid in sorted(processes()):
            with contextlib.suppress(psutil.NoSuchProcess):
                found.append(f"process {pid}: {' '.join(psutil.Process(pid).cmdline())[-80:]}")
        found += [*sorted(seen(private) - before), *locks(folder)]
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.02)
