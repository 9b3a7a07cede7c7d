"""The product's loop with a script in place of the models.

    python -m tests.scripted_loop [--processes] RUNS_DIR NAME ROUNDS [DELAY_S [ADAPTER_SKILL [SECTION.KEY=VALUE ...]]]

Everything else is real: config, database, sandbox, selection, gate, lock, signals. The tests start it as a process of
its own to kill it. With `--processes` the script is served and trained by worker processes, as models are, through the
product's own worker, generator, trainer and restart points; the variable SCRIPTED_POINTS then says where it is to kill
itself (points.py).
"""

from __future__ import annotations

import json
import os
import struct
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.console import Console

from run_loop import play
from sandbox import Sandbox
from selfplay import commands, config, startup
from selfplay.engines import Engines, Weights
from selfplay.generate import Generator, VllmGenerator
from selfplay.models import ModelFiles
from selfplay.progress import StopRequested
from selfplay.resources import Resources
from selfplay.rounds import Tools
from selfplay.session import Session, run_folder
from selfplay.train import train
from state.records import Problem
from tests.fakes import ScriptedGenerator, scripted_training
from tests.points import VARIABLE, Watch, watch
from tests.script import BASE, Script

SETTINGS = (
    "problems.per_round=4",
    "generate.codes=4",
    "generate.test_replies=1",
    "generate.tests=4",
    "benchmark.limit=8",
    "train.min_pairs=1",
    "sandbox.workers=2",
)


ADAPTER_SKILL = 0.95
"""How often an adapter is right; the base model is half of the time."""
MERGED_BYTES = 64 * 1024
"""Size of what stands for merged weights."""


def write_model(folder: Path) -> None:
    """Make a folder that has everything a model's folder has, and no model in it."""
    folder.mkdir(exist_ok=True)
    header = json.dumps({"w": {"dtype": "U8", "shape": [MERGED_BYTES], "data_offsets": [0, MERGED_BYTES]}}).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(MERGED_BYTES))
    (folder / "config.json").write_text('{"model_type": "script"}')
    (folder / "tokenizer.json").write_text("{}")
    (folder / "chat_template.jinja").write_text("{{ messages }}")


def script_of(session: Session, delay_s: float, adapter_skill: float) -> Script:
    """Return what the models of a run answer."""
    problems = session.store.all(Problem)
    return Script.of(problems, session.tasks, adapter_skill=adapter_skill, delay_s=delay_s)


def scripted_tools(delay_s: float, adapter_skill: float = ADAPTER_SKILL) -> startup.MakeTools:
    """Return what makes the loop's tools with the script in place of vLLM and TRL."""

    def make(session: Session, box: Sandbox, _resources: Resources) -> Tools:
        script = script_of(session, delay_s, adapter_skill)

        def start(weights: Weights) -> ScriptedGenerator:
            if weights.adapter is not None:  # as on a CPU: its files, not its meaning
                write_model(session.folder / "merged" / weights.id)
            return ScriptedGenerator(weights, script)

        return Tools(
            engines=Engines(start),
            train=scripted_training(delay_s=delay_s),
            box=box,
        )

    return make


class ScriptedProcess(VllmGenerator):
    """The product's client of a model process, with the script behind it."""

    worker_module = "tests.scripted_model"

    def __init__(self, session: Session, weights: Weights) -> None:
        super().__init__(
            session.model.folder,
            None,
            session.config.generate,
            session.config.model.max_len,
            session.folder / "logs" / "generate.log",
            session.folder.parent,
        )
        self._job["weights"] = weights.id


def process_tools(delay_s: float, adapter_skill: float, watched: str | None) -> startup.MakeTools:
    """Return the same with the script in worker processes."""

    def make(session: Session, box: Sandbox, resources: Resources) -> Tools:
        script = replace(script_of(session, delay_s, adapter_skill), watch=watched)
        script.write(session.model.folder)

        def serve(weights: Weights) -> Generator:
            if weights.adapter is not None:
                merge(session.folder / "merged" / weights.id)
            return ScriptedProcess(session, weights)

        return Tools(
            engines=Engines(serve),
            train=partial(train, module="tests.scripted_trainer"),
            box=box,
            peak_memory=resources.take_peak,
        )

    return make


def merge(out: Path) -> None:
    """Make the folder that the product would serve an adapter from: whole or not at all."""
    if not out.exists():
        with tempfile.TemporaryDirectory(dir=out.parent) as name:
            write_model(Path(name) / "merged")
            (Path(name) / "merged").rename(out)


def run(
    runs_dir: Path,
    name: str,
    rounds: int,
    delay_s: float = 0.0,
    overrides: tuple[str, ...] = (),
    adapter_skill: float = ADAPTER_SKILL,
    make_tools: startup.MakeTools | None = None,
) -> int:
    """Play a scripted run to the end."""
    settings = config.load("smoke", (*SETTINGS, *overrides))
    model = ModelFiles(folder=runs_dir / "script", sha256=BASE, source="script", licence=None)
    tools = make_tools or scripted_tools(delay_s, adapter_skill)
    console = Console(stderr=True, force_terminal=False)
    with startup.opened(
        run_folder(runs_dir, name), settings, lambda: model, rounds=rounds, console=console, make_tools=tools
    ) as loop:
        try:
            play(loop, rounds)
        except (StopRequested, KeyboardInterrupt):
            return commands.OK
    return commands.OK


def main(arguments: list[str]) -> int:
    """Read the command line and play."""
    processes = arguments[0] == "--processes"
    runs_dir, name, rounds, *rest = arguments[processes:]
    delay_s = float(rest[0]) if rest else 0.0
    adapter_skill = float(rest[1]) if len(rest) > 1 else ADAPTER_SKILL
    watched = os.environ.get(VARIABLE)
    tools = process_tools(delay_s, adapter_skill, watched) if processes else scripted_tools(delay_s, adapter_skill)
    if watched is not None:
        watch(Watch.from_json(watched), "loop")
    return commands.guarded(
        lambda: run(Path(runs_dir), name, int(rounds), delay_s, tuple(rest[2:]), adapter_skill, tools)
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
