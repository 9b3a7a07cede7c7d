"""What a model process puts on the host outside its log, and how it goes away.

Its temporary files have a folder of their own beside its log, so that they go with the worker, or, where the loop was
killed too, as soon as the run goes on. Intel's OpenMP notes itself in shared memory under its process id, and takes
that back only at an exit of its own choosing; what dead processes of this user have left of it is removed.

Source of the name: LLVM, openmp/runtime/src/kmp_runtime.cpp, `__kmp_reg_status_name`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

SUFFIX = ".tmp"
LONGEST = 60
"""Bytes; a longer folder would leave sockets in it no room for a name (108 bytes in all)."""
SEGMENTS = Path("/dev/shm")  # noqa: S108 (OpenMP's choice)


def temporary_folder(log: Path) -> dict[str, str]:
    """Make the temporary folder of the worker with this log, empty, and return the variable that names it."""
    folder = log.absolute().with_suffix(SUFFIX)
    shutil.rmtree(folder, ignore_errors=True)
    if len(os.fsencode(folder)) > LONGEST:
        return {}
    folder.mkdir(mode=0o700)
    return {"TMPDIR": str(folder)}


def clear(log: Path) -> None:
    """Remove what an ended worker has left."""
    shutil.rmtree(log.with_suffix(SUFFIX), ignore_errors=True)
    for segment in _of_the_dead():
        with contextlib.suppress(OSError):
            segment.unlink()


def clear_all(logs: Path) -> None:
    """Remove what all workers with logs in this folder have left, none of them being alive."""
    for folder in logs.glob(f"*{SUFFIX}"):
        clear(folder)


def _of_the_dead() -> Iterator[Path]:
    for path in SEGMENTS.glob(f"__KMP_REGISTERED_LIB_*_{os.getuid()}"):
        pid = path.name.split("_")[-2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            yield path
