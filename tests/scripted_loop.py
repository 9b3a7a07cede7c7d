"""The product's loop with a script in place of the models.

    python -m tests.scripted_loop RUNS_DIR NAME ROUNDS [DELAY_S [ADAPTER_SKILL [SECTION.KEY=VALUE ...]]]

Everything else is real: config, database, sandbox, selection, gate, lock, signals. The tests start it as a process of
its own to kill it.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

from rich.console import Console

from run_loop import play
from sandbox import Sandbox
from selfplay import commands, config, startup
from selfplay.engines import Engines, Weights
from selfplay.models import ModelFiles
from selfplay.progress import StopRequested
from selfplay.resources import Resources
from selfplay.rounds import Tools
from selfplay.session import Session, run_folder
from state.records import Problem
from tests.fakes import ScriptedGenerator, scripted_training

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


def scripted_tools(delay_s: float, adapter_skill: float = ADAPTER_SKILL) -> startup.MakeTools:
    """Return what makes the loop's tools with the script in place of vLLM and TRL."""

    def skill(weights_id: str) -> float:
        return 0.5 if weights_id == "scripted" else adapter_skill

    def make(session: Session, box: Sandbox, _resources: Resources) -> Tools:
        problems = {problem.id: problem for problem in session.store.all(Problem)}
        tasks = {f"{name}:{task.id}": task for name, group in session.tasks.items() for task in group}

        def start(weights: Weights) -> ScriptedGenerator:
            if weights.adapter is not None:  # as on a CPU: its files, not its meaning
                write_model(session.folder / "merged" / weights.id)
            return ScriptedGenerator(weights, problems, tasks, skill, delay_s)

        return Tools(
            engines=Engines(start),
            train=scripted_training(delay_s=delay_s),
            box=box,
        )

    return make


def run(
    runs_dir: Path,
    name: str,
    rounds: int,
    delay_s: float = 0.0,
    overrides: tuple[str, ...] = (),
    adapter_skill: float = ADAPTER_SKILL,
) -> int:
    """Play a scripted run to the end."""
    settings = config.load("smoke", (*SETTINGS, *overrides))
    model = ModelFiles(folder=Path("/nonexistent"), sha256="scripted", source="script", licence=None)
    tools = scripted_tools(delay_s, adapter_skill)
    console = Console(stderr=True, force_terminal=False)
    with startup.opened(
        run_folder(runs_dir, name), settings, lambda: model, rounds=rounds, console=console, make_tools=tools
    ) as loop:
        try:
            play(loop, rounds)
        except StopRequested:
            return commands.OK
    return commands.OK


if __name__ == "__main__":
    runs_dir, name, rounds, *rest = sys.argv[1:]
    delay_s = float(rest[0]) if rest else 0.0
    adapter_skill = float(rest[1]) if len(rest) > 1 else ADAPTER_SKILL
    sys.exit(run(Path(runs_dir), name, int(rounds), delay_s, tuple(rest[2:]), adapter_skill))
