"""An interpreter that every user of this host can run, where the one that runs now is in a private home.

Level `uid` starts the interpreter as a user of its own; the copy lets the level be seen at work all the same.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from sandbox import jail

NOT_COPIED = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "tkinter", "config-*")


def everyone_can_read(path: Path) -> bool:
    """Say whether another user can reach a path."""
    inside = path.resolve()
    return all(folder.stat().st_mode & 0o001 for folder in inside.parents) and bool(inside.stat().st_mode & 0o004)


def copy_interpreter(target: Path) -> Path:
    """Copy the interpreter, its library and its shared libraries; return the prefix of the copy."""
    python, prefix = jail.interpreter()
    library = jail._standard_library()
    for folder in (target / "bin", target / "lib"):
        folder.mkdir(parents=True)
    shutil.copy(python, target / "bin" / library.name)
    for path in jail._shared_libraries(prefix):
        shutil.copy(path, target / "lib" / path.name)
    shutil.copytree(library, target / "lib" / library.name, ignore=NOT_COPIED)
    return target


def make_readable(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let the sandbox start interpreter and harness from places that every user can read, copied there if need be."""
    folder.chmod(0o755)
    if not everyone_can_read(jail.interpreter()[0]):
        patch.setattr(sys, "base_prefix", str(copy_interpreter(folder / "python")))
    if not everyone_can_read(jail.HARNESS / "zygote.py"):
        shutil.copytree(jail.HARNESS, folder / "jail" / "harness")
        patch.setattr(jail, "HARNESS", folder / "jail" / "harness")
