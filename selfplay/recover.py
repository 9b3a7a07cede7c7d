"""A damaged run made runnable again, and what that has cost in words.

1. The database. One that is structurally sound and still says what its newest good copy says stays. Any other is set
   aside, and the newest good copy (backups/) takes its place; without one the run begins anew.
2. Adapters. Every row's folder must hold the bytes whose hash it names. One that does not is set aside; where the run
   needs it (the champion, or a candidate not yet decided on), the run is taken back to before it was trained.
3. What is half-written and can be made again: merged weights are removed, restart points set aside.

What is set aside goes to damaged/TIME and stays there. Calling this for a whole run changes nothing.

Not covered: a text changed in rows that no copy holds yet (`verify` runs the pairs again); the memory of decisions of
rounds that were taken back: their candidates are tested anew, at the level of the first time.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from selfplay.errors import HostError, UserError
from selfplay.model_folder import check_folder
from selfplay.retention import BACKUPS, backup_round, backups
from selfplay.session import DATABASE, now, owned, private
from selfplay.train import RESULT_FILE, adapter_sha256
from selfplay.train_files import WHOLE_FILE
from state import backup, repair
from state.database import SIDE_FILES
from state.records import Adapter, Promotion, Round
from state.store import Store


def recover(folder: Path) -> list[str]:
    """Make the run in `folder` runnable; return what was found, done and lost, a sentence each.

    Raises:
        UserError: There is no run here, or a live process owns it.
        StoreError: The database was written by a newer program.
        OSError: The machine refused.
    """
    if not (folder / DATABASE).exists() and not backups(folder):
        raise UserError(f"{folder}: there is neither a run nor a copy of one here; see `status` for the runs there are")
    with private(), owned(folder):
        work = _Recovery(folder=folder, aside=folder / "damaged" / now().replace(":", "-"))
        work.database()
        if (folder / DATABASE).exists():
            work.adapters()
        work.halves()
    return work.said


@dataclass(slots=True)
class _Recovery:
    """One recovery under way."""

    folder: Path
    aside: Path
    """Where damaged files go; made when the first one does."""
    said: list[str] = field(default_factory=list)
    replayed: bool = False
    """Rounds will be played again: what lies on disk may be newer than what the database says."""

    # -- database -----------------------------------------------------------------------------------------------------

    def database(self) -> None:
        """Leave a database that a run can go on with, or none where nothing of it can be saved."""
        path = self.folder / DATABASE
        copies = backups(self.folder)
        bad = [copy for copy in copies if repair.faults(copy)]
        good = next((copy for copy in copies if copy not in bad), None)
        wrong = repair.faults(path)
        if not wrong and good is not None:
            wrong = _contradicted(path, good)
        self._set_aside(bad, "copies of the database that are damaged themselves")
        if not wrong:
            self.said.append(f"{DATABASE} is whole.")
            return
        had = repair.counts(path) if path.exists() else {}
        self.said.append(f"{DATABASE} is damaged: {wrong[0]}.")
        self._set_aside([path.with_name(path.name + suffix) for suffix in SIDE_FILES], "the damaged database")
        self.replayed = True
        if good is None:
            self.said.append(
                "No copy of it is whole, so nothing of the run can be carried on: the same command begins it anew. "
                "The sqlite3 tool's .recover may read some of the damaged file."
            )
            return
        backup.restore(good, path)
        self.said.append(f"{_copy_name(good)} is in its place. {_lost(had, repair.counts(path))}")

    # -- adapters -----------------------------------------------------------------------------------------------------

    def adapters(self) -> None:
        """Leave only adapters that are what their rows say, and no row without its adapter that the run needs."""
        while (number := self._broken_round()) is not None:
            repair.rewind(self.folder / DATABASE, number)
            self.replayed = True
            later = [copy for copy in backups(self.folder) if backup_round(copy) >= number]
            self._set_aside(later, "copies of the database that are later than that")
            self.said.append(
                f"The adapter of round {number} is lost, and the run needs it: round {number} is trained again from "
                "its stored pairs, and later rounds are played again."
            )

    def _broken_round(self) -> int | None:
        """Set broken adapters aside; return the first round that must be trained again for the want of one."""
        with Store.open(self.folder / DATABASE) as store:
            rounds = {round_.id: round_ for round_ in store.all(Round)}
            promoted = store.all(Promotion, promoted=True)
            champion = promoted[-1].candidate_id if promoted else None
            known: set[str] = set()
            for adapter in store.all(Adapter):
                turn = rounds[adapter.round_id]
                if adapter.path is None:
                    if adapter.id == champion:
                        return turn.number
                    continue
                folder = self.folder / adapter.path
                if _hash(folder) == adapter.sha256:
                    known.add(folder.name)
                    continue
                self._set_aside([folder], f"the adapter of round {turn.number}, which is not what was trained")
                if adapter.id == champion or turn.finished_at is None:
                    return turn.number
                store.replace(replace(adapter, path=None))
                if not self.replayed:
                    self.said.append(f"The adapter of round {turn.number} is lost; nothing needs it any more.")
        self._set_aside(self._unnamed(known), "adapters that the database does not know")
        return None

    def _unnamed(self, known: set[str]) -> list[Path]:
        """Return the folders of adapters that no row names, but for one that was finished just before its row."""
        found = sorted(path for path in (self.folder / "adapters").glob("round-*") if path.name not in known)
        return [path for path in found if self.replayed or not _finished(path)]

    # -- what is made again -------------------------------------------------------------------------------------------

    def halves(self) -> None:
        """Remove what was being written when the run ended, and can be made again."""
        for part in [*self.folder.glob(f"{DATABASE}.*"), *(self.folder / BACKUPS).glob("*.part*")]:
            part.unlink(missing_ok=True)
        for merged in (self.folder / "merged").glob("*"):
            if merged.is_dir() and not _is_model(merged):
                shutil.rmtree(merged)
                self.said.append(f"Half-written merged weights ({merged.name}) are removed; they are made again.")
        for job in (self.folder / "work").glob("*"):
            self._set_aside(_torn_points(job), "restart points of a training that are not whole")
        if len(self.said) == 1 and not self.replayed:
            self.said.append("Nothing is damaged, and nothing was changed.")

    def _set_aside(self, paths: list[Path], what: str) -> None:
        there = [path for path in paths if path.exists()]
        for path in there:
            place = self.aside / path.relative_to(self.folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            path.rename(place)
        if there:
            names = ", ".join(path.relative_to(self.folder).as_posix() for path in there)
            self.said.append(f"Set aside in {self.aside.relative_to(self.folder)}: {names} ({what}).")


def _contradicted(path: Path, copy: Path) -> list[str]:
    """Return what a database no longer says of what an earlier copy of it says."""
    try:
        found = repair.differences(path, copy)
    except sqlite3.Error as error:
        return [str(error)]
    told = ", ".join(f"{count} of {table}" for table, count in found.items())
    return [f"{told} in {copy.name}, its copy, are missing or changed"] if found else []


def _copy_name(copy: Path) -> str:
    number, made = backup_round(copy), datetime.fromtimestamp(copy.stat().st_mtime, UTC)
    after = f"after round {number}" if number else "before round 1"
    return f"The copy made {after} ({made:%Y-%m-%d %H:%M} UTC)"


def _lost(had: dict[str, int], have: dict[str, int]) -> str:
    """Return what the damaged database held beyond its copy, as far as it can still be counted."""
    more = {table: had[table] - have.get(table, 0) for table in had if had[table] > have.get(table, 0)}
    if not had:
        return "What was done after that is lost; how much that was can no longer be read."
    if not more:
        return "Nothing that can still be counted was done after that."
    return "Lost is what was done after that: " + ", ".join(f"{count} {table}" for table, count in more.items()) + "."


def _hash(folder: Path) -> str | None:
    try:
        return adapter_sha256(folder)
    except HostError:
        return None


def _finished(folder: Path) -> bool:
    """Return whether a training left its result here whole."""
    try:
        stored = json.loads((folder / RESULT_FILE).read_text(encoding="utf-8"))
        return bool(stored["result"]["sha256"] in (None, _hash(folder)))
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _is_model(folder: Path) -> bool:
    try:
        check_folder(folder)
    except (UserError, OSError):
        return False
    return True


def _torn_points(job: Path) -> list[Path]:
    """Return the restart points of a training whose last file is missing or torn."""
    points = [(path, path / WHOLE_FILE) for path in job.glob("checkpoint-*")]
    points += [(path, path) for path in job.glob("reference.json")]
    found = []
    for path, mark in points:
        try:
            json.loads(mark.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            found.append(path)
    return sorted(found)
