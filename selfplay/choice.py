"""Which adapter is meant, and whether its files are still those that were trained."""

from __future__ import annotations

import re
from pathlib import Path

from selfplay.errors import DiskFailed, UserError
from selfplay.train import adapter_sha256
from state.records import Adapter, Promotion, Round
from state.store import Store

_ROUND = re.compile(r"(?:round-)?0*([1-9]\d*)")


def choose(store: Store, run: str, wanted: str | None) -> Adapter:
    """Return the adapter that is asked for, which has files.

    Args:
        store: The run's database.
        run: Its name, for messages.
        wanted: An adapter's id, the beginning of one, or its round as `round-3` or `3` (a round comes before an id that
            begins with the same digits); None is the champion.

    Raises:
        UserError: There is none such, or its files are gone; the message names those that there are.
    """
    adapters = [adapter for adapter in store.all(Adapter) if adapter.sha256 is not None]
    numbers = {turn.id: turn.number for turn in store.all(Round)}
    there_are = _named(store, adapters)
    if wanted is None:
        promoted = store.all(Promotion, promoted=True)
        if not promoted:
            raise UserError(
                f"run {run!r}: the base model leads, as no candidate was promoted, so there is no champion's adapter. "
                f"A candidate is named with --adapter; {there_are}"
            )
        wanted = str(promoted[-1].candidate_id)
    asked = _ROUND.fullmatch(wanted)
    found = [adapter for adapter in adapters if asked and numbers[adapter.round_id] == int(asked[1])]
    found = found or [adapter for adapter in adapters if wanted and adapter.id.startswith(wanted)]
    if not found:
        raise UserError(f"run {run!r} has no adapter {wanted!r} that was trained; {there_are}")
    if len(found) > 1:
        ids = ", ".join(adapter.id for adapter in found)
        raise UserError(f"run {run!r}: {wanted!r} is the beginning of more than one adapter's id: {ids}")
    (adapter,) = found
    if adapter.path is None:
        raise UserError(
            f"run {run!r}: the files of the adapter of round {numbers[adapter.round_id]} ({adapter.id}) were removed, "
            f"as it was not promoted (keep.rejected says how many of those stay); {there_are}"
        )
    return adapter


def _named(store: Store, adapters: list[Adapter]) -> str:
    """Return a sentence's end that names the adapters that have files, with what became of them."""
    turns = {turn.id: turn for turn in store.all(Round)}
    kept = [
        f"round-{turns[adapter.round_id].number} ({adapter.id}, {turns[adapter.round_id].outcome or 'not decided'})"
        for adapter in adapters
        if adapter.path is not None
    ]
    return f"there are: {', '.join(kept)}" if kept else "there is none whose files are kept"


def checked_folder(run_folder: Path, adapter: Adapter) -> Path:
    """Return the adapter's folder, whose files are as they were trained.

    Raises:
        DiskFailed: A file is missing, cannot be read, or has changed.
    """
    folder = run_folder / str(adapter.path)
    if adapter_sha256(folder) != adapter.sha256:
        raise DiskFailed(
            f"adapter {folder} has changed since it was trained (its sha256 is not that of the database); put the "
            "folder back from a copy, or name another adapter with --adapter"
        )
    return folder
