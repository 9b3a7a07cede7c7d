"""`run_loop.py export`: one folder, of one kind.

    (neither)   a PEFT folder: adapter_model.safetensors, adapter_config.json
    --merged    a model's folder for transformers and vLLM, tokenizer and chat template included
    --gguf      NAME-round-N-BF16.gguf

and README.md, a model card, with each. Kinds do not share a folder: transformers takes one with an adapter_config.json
for an adapter, and reads a GGUF file beside a tokenizer_config.json without its chat template.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from selfplay import config, models
from selfplay.choice import checked_folder, choose
from selfplay.commands import OK, find_base, guarded, stored
from selfplay.download import file_sha256
from selfplay.errors import UserError
from selfplay.export import base
from selfplay.export.base import Base
from selfplay.new_folder import vacant, whole
from selfplay.session import run_folder
from selfplay.train import ADAPTER_FILES

Kind = Literal["adapter", "merged", "gguf"]


def export_run(name: str, runs_dir: Path, wanted: str | None, to: Path, *, merged: bool, as_gguf: bool) -> int:
    """Write an adapter of a run for others, whole or not at all.

    Args:
        name: The run.
        runs_dir: Folder that holds the runs.
        wanted: Which adapter, see `choose`; None is the champion.
        to: Folder to make; it may exist if it is empty.
        merged: Write the whole model.
        as_gguf: Write it as a GGUF file.
    """

    def write() -> int:
        if merged and as_gguf:
            raise UserError("--merged and --gguf do not share a folder: export twice, into two folders")
        return _export(
            name, runs_dir, wanted, vacant(to, "--to"), "merged" if merged else "gguf" if as_gguf else "adapter"
        )

    return guarded(write)


def _export(name: str, runs_dir: Path, wanted: str | None, to: Path, kind: Kind) -> int:
    from selfplay.export.card import Card, File, render  # imports that a mistyped name need not pay
    from selfplay.report.facts import read

    console = Console(stderr=True, soft_wrap=True)
    with stored(name, runs_dir) as store, store.one_moment():
        adapter = choose(store, name, wanted)
        facts = read(store)
    folder = checked_folder(run_folder(runs_dir, name), adapter)
    settings = config.from_json(facts.run.config)
    if kind == "adapter":
        files = base.on_this_machine(facts.run, settings.model)
    else:
        files = base.fetched(facts.run, lambda: find_base(settings, console))
    origin = base.of_run(facts.run, settings.model, files)
    turn = next(turn for turn in facts.turns if turn.round.id == adapter.round_id)
    called = f"{name}-round-{turn.number}"
    with whole(to) as fresh:
        if files is not None and kind != "adapter":
            log = run_folder(runs_dir, name) / "logs" / "export.log"
            _write_model(files, folder, fresh, called, log, origin.licence, as_gguf=kind == "gguf")
        else:
            _write_adapter(folder, fresh, origin)
        weights = sorted(path for path in fresh.iterdir() if path.suffix in {".safetensors", ".gguf"})
        card = Card(
            kind=kind,
            name=called,
            facts=facts,
            settings=settings,
            turn=turn,
            base=origin,
            files=tuple(File(name=path.name, sha256=file_sha256(path)) for path in weights),
        )
        (fresh / "README.md").write_text(render(card), encoding="utf-8")
    for path in weights:
        size = (to / path.name).stat().st_size
        Console(soft_wrap=True).print(Text(f"{to / path.name}  ({size / 1e6:.1f} MB)"))
    return OK


def _write_adapter(folder: Path, fresh: Path, origin: Base) -> None:
    """Copy an adapter, and say in its config where its base model is found."""
    weights, settings = (folder / name for name in ADAPTER_FILES)
    shutil.copyfile(weights, fresh / weights.name)
    told = json.loads(settings.read_text(encoding="utf-8"))
    told |= {"base_model_name_or_path": origin.name, "revision": origin.revision}
    (fresh / settings.name).write_text(json.dumps(told, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _write_model(
    files: models.ModelFiles,
    adapter: Path,
    fresh: Path,
    called: str,
    log: Path,
    licence: str | None,
    *,
    as_gguf: bool,
) -> None:
    """Merge the adapter into its base, and write what is asked for."""
    from selfplay.export.convert import write_gguf

    with tempfile.TemporaryDirectory(prefix=f"{fresh.name}.", dir=fresh.parent) as scratch:
        model = Path(scratch) / "model"
        models.merge(files.folder, adapter, model, log=log)
        if as_gguf:
            write_gguf(model, fresh / f"{called}-BF16.gguf", name=called, licence=licence, log=log)
        else:
            for path in sorted(model.iterdir()):
                path.rename(fresh / path.name)
