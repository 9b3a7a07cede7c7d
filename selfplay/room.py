"""Whether the disk has room for what a stage will write, asked before it begins.

What is counted, from above: weights merged for an engine that serves them so; an adapter and three restart points of it
(two are kept while the next is written), each with the optimiser's two moments and the tokenizer; the longest replies
that the config allows, twice, as reply and as code; an execution of every code on every test; a copy of the database.
What an earlier start of the stage has written already is not counted again.

Not covered: quotas, which the kernel does not count as a full disk, and what others write meanwhile. A disk that fills
up all the same stops the run as a whole one would have: everything finished is kept.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from selfplay.config import Config
from selfplay.errors import HostError
from selfplay.machine import gpus
from selfplay.retention import round_name
from selfplay.sections import Generate
from selfplay.session import DATABASE, Session
from state.records import Problem, Round

MARGIN_BYTES = 64 * 1024**2
"""Logs, and whatever else is small."""
CHECKPOINTS = 3
TOKEN_BYTES = 5
"""Text of a token, from above."""
ROW_BYTES = 500
"""An execution with its indices, from above."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that a stage will write."""

    what: str
    bytes: int


def serves_merged(section: Generate) -> bool:
    """Return whether adapters are merged into the base weights before they are served."""
    return section.weights == "merged" or (section.weights == "auto" and not gpus())


def free_bytes(folder: Path) -> int:
    """Return how much this user may still write where `folder` is."""
    return shutil.disk_usage(folder).free


class Room:
    """Looks at one run's disk."""

    def __init__(self, session: Session, free: Callable[[Path], int] = free_bytes) -> None:
        self.session, self.free = session, free

    def check(self, stage: str, round_: Round, adapter_id: str | None = None) -> None:
        """Return if there is room for a stage of a round.

        Args:
            stage: Name of the stage.
            round_: The round.
            adapter_id: The adapter that is served in it; None is the base model, or no model.

        Raises:
            HostError: There is not; says what is needed, what is free, and what to do.
        """
        needs = [need for need in self.needs(stage, round_, adapter_id) if need.bytes > 0]
        needed, free = sum(need.bytes for need in needs), self.free(self.session.folder)
        if needed > free:
            parts = ", ".join(f"{size(need.bytes)} for {need.what}" for need in needs)
            raise HostError(
                f"the disk of {self.session.folder} has {size(free)} free; stage {stage} of round {round_.number} may "
                f"need {size(needed)} ({parts}); make room and repeat the same command: "
                "everything finished so far is kept"
            )

    def needs(self, stage: str, round_: Round, adapter_id: str | None) -> list[Need]:
        """Return what a stage may write beyond what is there already."""
        name = round_name(round_.number)
        config, folder, model = self.session.config, self.session.folder, self.session.model.folder
        needs = [Need(what="logs and the like", bytes=MARGIN_BYTES)]
        if stage == "train":
            adapter = lora_bytes(model, config.train.lora_rank)
            points = CHECKPOINTS * (3 * adapter + tokenizer_bytes(model))
            needs.append(Need(what="restart points", bytes=points - on_disk(folder / "work" / name)))
            needs.append(Need(what="the adapter", bytes=adapter - on_disk(folder / "adapters" / name)))
            return needs
        if stage == "gate":
            if config.keep.backups:
                needs.append(Need(what="a copy of the database", bytes=on_disk(folder / DATABASE)))
            return needs
        merged = None if adapter_id is None else folder / "merged" / adapter_id
        if merged is not None and serves_merged(config.generate) and not merged.exists():
            needs.append(Need(what="merged weights", bytes=weights_bytes(model)))
        rows = self._score_bytes() if stage == "benchmark" else round_bytes(config, self.session.store.count(Problem))
        needs.append(Need(what="the database", bytes=2 * rows))  # once in its write-ahead log
        return needs

    def _score_bytes(self) -> int:
        section = self.session.config.benchmark
        tasks = sum(map(len, self.session.tasks.values()))
        return tasks * section.samples * (2 * section.max_tokens * TOKEN_BYTES + ROW_BYTES)


def round_bytes(config: Config, problems: int) -> int:
    """Return the most that a round's replies, samples and executions take in the database of a run of `problems`."""
    section = config.generate
    tokens = section.codes * section.code_max_tokens + section.test_replies * section.test_max_tokens
    return min(config.problems.per_round, problems) * (
        2 * tokens * TOKEN_BYTES + (section.codes + 3) * (section.tests + 3) * ROW_BYTES
    )


def lora_bytes(model: Path, rank: int) -> int:
    """Return the size of an adapter on every linear layer of a model, float32; 0 where the model cannot be read.

    Source: LoRA, arXiv:2106.09685: a matrix of shape (out, in) gets factors of (out, rank) and (rank, in). The header
    of a safetensors file tells the shapes; embeddings and the head get none.
    """
    total = 0
    for file in model.glob("*.safetensors"):
        with file.open("rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        for name, row in header.items():
            if name != "__metadata__" and len(row["shape"]) == 2 and "embed" not in name and "lm_head" not in name:
                total += 4 * rank * sum(row["shape"])
    return total


def tokenizer_bytes(model: Path) -> int:
    """Return the size of a model folder without its weights: what a restart point may repeat of it."""
    return sum(on_disk(path) for path in model.glob("*") if path.suffix != ".safetensors")


def weights_bytes(model: Path) -> int:
    """Return the size of a model's folder."""
    return sum(on_disk(path) for path in model.glob("*"))


def on_disk(path: Path) -> int:
    """Return the bytes of a file, or of the files in a folder; 0 where there is neither."""
    if path.is_dir():
        return sum(on_disk(inner) for inner in path.iterdir())
    return path.stat().st_size if path.exists() else 0


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.0f} MiB"
