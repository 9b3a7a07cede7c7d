"""`run_loop.py export`: one folder of one kind.

    (neither)          a PEFT folder: adapter_model.safetensors, adapter_config.json
    --merged           a model's folder for transformers and vLLM, tokenizer and chat template included
    --gguf             NAME-round-N-BF16.gguf
    --merged --gguf    both of these in one folder

and README.md, a model card, with each. An adapter is never written beside a whole model: transformers takes a folder
with an adapter_config.json for an adapter. A folder for each kind is a second command.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from selfplay import config, models
from selfplay.commands import OK, find_base, guarded, stored
from selfplay.download import file_sha256
from selfplay.export import base
from selfplay.export.base import Base
from selfplay.export.choice import checked_folder, choose
from selfplay.new_folder import vacant, whole
from selfplay.session import run_folder
from selfplay.train import ADAPTER_FILES


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
    return guarded(lambda: _export(name, runs_dir, wanted, vacant(to, "--to"), merged=merged, as_gguf=as_gguf))


def _export(name: str, runs_dir: Path, wanted: str | None, to: Path, *, merged: bool, as_gguf: bool) -> int:
    from selfplay.export.card import Card, File, render  # imports that a mistyped name need not pay
    from selfplay.report.facts import read

    console = Console(stderr=True, soft_wrap=True)
    with stored(name, runs_dir) as store, store.one_moment():
        adapter = choose(store, name, wanted)
        facts = read(store)
    folder = checked_folder(run_folder(runs_dir, name), adapter)
    settings = config.from_json(facts.run.config)
    if merged or as_gguf:
        files: models.ModelFiles | None = base.fetched(facts.run, lambda: find_base(settings, console))
    else:
        files = base.on_this_machine(facts.run, settings.model)
    origin = base.of_run(facts.run, settings.model, files)
    turn = next(turn for turn in facts.turns if turn.round.id == adapter.round_id)
    called = f"{name}-round-{turn.number}"
    with whole(to) as fresh:
        if files is not None and (merged or as_gguf):
            log = run_folder(runs_dir, name) / "logs" / "export.log"
            _write_model(files, folder, fresh, called, log, origin.licence, merged=merged, as_gguf=as_gguf)
        else:
            _write_adapter(folder, fresh, origin)
        weights = sorted(path for path in fresh.iterdir() if path.suffix in {".safetensors", ".gguf"})
        card = Card(
            kinds=("merged",) * merged + ("gguf",) * as_gguf or ("adapter",),
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
    merged: bool,
    as_gguf: bool,
) -> None:
    """Merge the adapter into its base, and write what is asked for."""
    from selfplay.export.convert import write_gguf

    with tempfile.TemporaryDirectory(prefix=f"{fresh.name}.", dir=fresh.parent) as scratch:
        model = Path(scratch) / "model"
        models.merge(files.folder, adapter, model, log=log)
        if as_gguf:
            write_gguf(model, fresh / f"{called}-BF16.gguf", name=called, licence=licence, log=log)
        if merged:
            for path in sorted(model.iterdir()):
                path.rename(fresh / path.name)
