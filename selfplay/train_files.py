"""What a training leaves on disk: restart points, and a result that is there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypedDict

from selfplay.train import RESULT_FILE, Step, TrainResult, adapter_sha256, result_json

WHOLE_FILE = "whole.json"
"""Written last into a checkpoint: its presence says that the checkpoint is whole."""

Scores = dict[str, list[float]]
"""Log-probabilities of every row, nats, by the name of the column that TRL reads them from."""


class Reference(TypedDict):
    """What the rows scored before training."""

    start: Scores
    """Under the policy that training starts from."""
    reference: Scores
    """Under the policy that the loss compares with."""


def flush(folder: Path) -> None:
    """Put a folder and everything in it on disk."""
    for path in [*sorted(folder.rglob("*")), folder]:
        sync(path)


def sync(path: Path) -> None:
    """Put one file, or the names in one folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_whole(path: Path, text: str) -> None:
    """Make a file hold `text`, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    sync(part)
    part.replace(path)
    sync(path.parent)


def mark_whole(checkpoint: Path, identity: str, steps: list[Step]) -> None:
    """Say that a checkpoint is whole, once it is on disk."""
    flush(checkpoint)
    write_whole(checkpoint / WHOLE_FILE, json.dumps({"identity": identity, "steps": steps}))


def restart_point(folder: Path, identity: str) -> tuple[Path | None, list[Step]]:
    """Return the newest whole checkpoint of this job and the steps before it; remove those that are not whole."""
    folder.mkdir(parents=True, exist_ok=True)
    newest: tuple[Path | None, list[Step]] = (None, [])
    for path in sorted(folder.glob("checkpoint-*")):
        mark = path / WHOLE_FILE
        kept = json.loads(mark.read_text(encoding="utf-8")) if mark.exists() else {}
        if kept.get("identity") != identity:
            shutil.rmtree(path)
        elif len(kept["steps"]) > len(newest[1]):
            newest = (path, kept["steps"])
    return newest


def reference(folder: Path, identity: str, piece: int, compute: Callable[[], Reference]) -> Reference:
    """Return what `compute` returns, from an earlier start of the same job where it cut the rows in the same way."""
    file, key = folder / "reference.json", [identity, piece]
    if file.exists() and (kept := json.loads(file.read_text(encoding="utf-8")))["key"] == key:
        return Reference(start=kept["start"], reference=kept["reference"])
    found = compute()
    write_whole(file, json.dumps({"key": key, **found}))
    return found


def write_result(
    out: Path, identity: str, result: TrainResult, steps: list[Step], save: Callable[[Path], None] | None
) -> None:
    """Make `out` hold the result and, where `save` writes one into a folder, the adapter: all at once."""
    part = out.with_name(f"{out.name}.tmp")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    if save is not None:
        save(part)
        result = replace(result, sha256=adapter_sha256(part))
    (part / RESULT_FILE).write_text(result_json(result, identity, steps), encoding="utf-8")
    flush(part)
    part.rename(out)
    sync(out.parent)
