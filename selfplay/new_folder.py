"""A folder that a command makes for the user: there whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selfplay.errors import UserError
from selfplay.train_files import flush, sync


def vacant(out: Path, option: str) -> Path:
    """Return the absolute path of a folder that is empty or not there yet.

    Args:
        out: What the user asked for.
        option: The command's option that names it.

    Raises:
        UserError: Something is there.
    """
    folder = out.expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists and is not an empty folder; name another one with {option}")
    return folder


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """Yield a new folder beside `folder`, which takes its name once the block ends well and everything is on disk."""
    fresh = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        flush(fresh)
        if folder.exists():
            folder.rmdir()
        fresh.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
