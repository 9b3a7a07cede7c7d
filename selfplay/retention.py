"""What a run keeps on disk, and for how long (config section `keep`).

    adapters/   those of promoted candidates for good; of the others the newest `keep.rejected`
    merged/     the champion's weights
    work/       restart points of the round under way
    logs/       of training the newest `keep.logs`; of every other log that many earlier parts of `keep.log_bytes` each
    backups/    copies of the database after the newest `keep.backups` finished rounds, and one before the first

The database keeps everything. A row that says that an adapter's files are gone is stored before they are removed, so a
kill in between leaves files that the next call removes, never a row without its files. Folders of rounds that the
database does not know are left alone.

Not covered: the cache of models, which runs share.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from logging.handlers import RotatingFileHandler
from pathlib import Path

from selfplay.sections import Keep
from selfplay.session import DATABASE, Session
from state.records import Adapter, Promotion, Round

log = logging.getLogger(__name__)

BACKUPS = "backups"
_BACKUP = re.compile(r"round-(\d{4,})\.db")


def round_name(number: int) -> str:
    """Return what the files of a round are called."""
    return f"round-{number:04d}"


def backups(folder: Path) -> list[Path]:
    """Return the copies of a run's database, newest first."""
    found = [path for path in (folder / BACKUPS).glob("round-*.db") if _BACKUP.fullmatch(path.name)]
    return sorted(found, key=backup_round, reverse=True)


def backup_round(path: Path) -> int:
    """Return the last round that was finished when a copy was made; 0 is none."""
    found = _BACKUP.fullmatch(path.name)
    return int(found[1]) if found else 0


def to_remove(adapters: Sequence[Adapter], promoted: Collection[str], keep: int) -> list[Adapter]:
    """Return the adapters whose files go: all that were not promoted but the newest `keep`.

    Args:
        adapters: Those of finished rounds, oldest first.
        promoted: Ids of the promoted ones.
        keep: How many of the others stay.
    """
    rejected = [adapter for adapter in adapters if adapter.path is not None and adapter.id not in promoted]
    return rejected[: max(0, len(rejected) - keep)]


def tidy(session: Session) -> None:
    """Remove what the run no longer keeps, and copy the database if a round was finished since the last copy.

    Raises:
        StoreError: The database is damaged, or the machine refused.
    """
    store, folder, keep = session.store, session.folder, session.config.keep
    finished = [round_ for round_ in store.all(Round) if round_.finished_at is not None]
    done = {round_.id for round_ in finished}
    promotions = store.all(Promotion, promoted=True)
    adapters = [adapter for adapter in store.all(Adapter) if adapter.round_id in done]
    gone = to_remove(adapters, {str(promotion.candidate_id) for promotion in promotions}, keep.rejected)
    with store.transaction():
        for adapter in gone:
            store.replace(replace(adapter, path=None))
    for adapter in gone:
        log.info("%s is removed: it was not promoted (keep.rejected = %d)", adapter.path, keep.rejected)
    kept = {Path(adapter.path).name for adapter in adapters if adapter.path is not None and adapter not in gone}
    for name in (round_name(round_.number) for round_ in finished):
        for path in (folder / "adapters" / f"{name}.tmp", folder / "work" / name):
            shutil.rmtree(path, ignore_errors=True)
        if name not in kept:
            shutil.rmtree(folder / "adapters" / name, ignore_errors=True)
    _remove_merged(folder / "merged", promotions[-1].candidate_id if promotions else None)
    _remove_logs(folder / "logs", keep)
    _back_up(session, finished[-1].number if finished else 0)


def rotate(path: Path, keep: Keep) -> None:
    """Set a log aside as its part 1 if it is full; for logs of processes, before the next one starts."""
    if path.exists() and path.stat().st_size >= keep.log_bytes:
        handler = RotatingFileHandler(path, backupCount=keep.logs, delay=True)
        handler.doRollover()
        handler.close()


def _remove_merged(folder: Path, champion: str | None) -> None:
    """Remove merged weights, whole or half-written, that nothing will ask for again, and their locks."""
    for path in folder.iterdir():
        if path.is_dir() and path.name != champion:
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix == ".lock":
            path.unlink(missing_ok=True)


def _remove_logs(folder: Path, keep: Keep) -> None:
    for path in sorted(folder.glob("train-round-*.log"), reverse=True)[keep.logs :]:
        path.unlink(missing_ok=True)


def _back_up(session: Session, number: int) -> None:
    keep = session.config.keep.backups
    path = session.folder / BACKUPS / f"{round_name(number)}.db"
    if keep and not path.exists():
        session.store.snapshot(path)
        log.info("%s is copied to %s", DATABASE, path.relative_to(session.folder))
    for old in backups(session.folder)[keep:]:
        old.unlink(missing_ok=True)
