"""A finished scripted run whose adapters have what an export reads."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

from selfplay.train import ADAPTER_FILES, adapter_sha256
from state.records import Adapter, Round
from state.store import Store


def readable_adapters(runs: Path, name: str = "a") -> None:
    """Give the adapters of a run, which are text in the script's play, a config that can be read."""
    with Store.open(runs / name / "run.db") as store:
        for adapter in store.all(Adapter):
            folder = runs / name / str(adapter.path)
            settings = {"peft_type": "LORA", "base_model_name_or_path": "script", "r": 8}
            (folder / "adapter_config.json").write_text(json.dumps(settings))
            store.replace(dataclasses.replace(adapter, sha256=adapter_sha256(folder)))


def adapter_of(runs: Path, number: int) -> Adapter:
    """Return the adapter that a round of run `a` trained."""
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        (turn,) = store.all(Round, number=number)
        (adapter,) = store.all(Adapter, round_id=turn.id)
    return adapter


def replace_adapter(runs: Path, number: int, source: Path, model: str, model_sha256: str) -> None:
    """Rewrite history: run `a` was played with this model, and a round of it trained the adapter in `source`."""
    import sqlite3

    adapter = adapter_of(runs, number)
    folder = runs / "a" / str(adapter.path)
    shutil.rmtree(folder)
    folder.mkdir()
    for name in ADAPTER_FILES:
        shutil.copyfile(source / name, folder / name)
    with sqlite3.connect(runs / "a" / "run.db") as connection:
        connection.execute("UPDATE scores SET weights_id = ? WHERE weights_id = 'scripted'", (model_sha256,))
        connection.execute(
            "UPDATE runs SET model = ?, model_sha256 = ?, config = json_set(config, '$.model.name', ?)",
            (model, model_sha256, model),
        )
        connection.execute("UPDATE adapters SET sha256 = ? WHERE id = ?", (adapter_sha256(folder), adapter.id))
    connection.close()
