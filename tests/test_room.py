"""Room on the disk, asked for before a stage begins."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from selfplay import config
from selfplay.errors import HostError
from selfplay.models import ModelFiles
from selfplay.room import CHECKPOINTS, MARGIN_BYTES, Room, lora_bytes, on_disk, round_bytes, size, weights_bytes
from selfplay.session import Session
from state.store import Store
from tests.state import rows
from tests.state.test_database import private_mounts

ROOT = Path(__file__).parent.parent
MIB = 1024**2
SETTINGS = ("generate.weights=merged", "train.lora_rank=8")
SHAPES = {
    "model.embed_tokens.weight": [1000, 64],
    "model.layers.0.self_attn.q_proj.weight": [64, 64],
    "model.layers.0.mlp.up_proj.weight": [256, 64],
    "model.layers.0.norm.weight": [64],
    "lm_head.weight": [1000, 64],
}
ADAPTER_BYTES = 4 * 8 * (64 + 64 + 256 + 64)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A run whose model is a small safetensors file."""
    model, folder = tmp_path / "model", tmp_path / "run"
    for path in (model, folder):
        path.mkdir()
    header = json.dumps({"__metadata__": {}, **{name: {"shape": shape} for name, shape in SHAPES.items()}}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(3 * MIB))
    (model / "tokenizer.json").write_bytes(bytes(MIB))
    files = ModelFiles(folder=model, sha256="s", source="test", licence=None)
    settings = config.load("smoke", SETTINGS)
    store = Store.open(folder / "run.db", create=True)
    store.add(*(rows.problem(number) for number in range(8)))
    return Session(folder=folder, config=settings, store=store, run=rows.run(), model=files, tasks={})


def needed(session: Session, stage: str, adapter_id: str | None = None) -> int:
    return sum(need.bytes for need in Room(session).needs(stage, rows.turn(1), adapter_id))


def test_an_adapter_has_two_factors_for_every_linear_layer_but_embeddings_and_head(session: Session) -> None:
    assert lora_bytes(session.model.folder, 8) == ADAPTER_BYTES


def test_training_needs_the_adapter_and_its_restart_points_less_those_that_are_there(session: Session) -> None:
    points = CHECKPOINTS * (3 * ADAPTER_BYTES + MIB)
    assert needed(session, "train") == MARGIN_BYTES + points + ADAPTER_BYTES
    written = session.folder / "work" / "round-0001" / "checkpoint-2"
    written.mkdir(parents=True)
    (written / "optimizer.pt").write_bytes(bytes(MIB))
    assert needed(session, "train") == MARGIN_BYTES + points + ADAPTER_BYTES - MIB


def test_an_engine_needs_merged_weights_once(session: Session) -> None:
    base, adapter = needed(session, "code"), needed(session, "code", "x")
    assert adapter - base == weights_bytes(session.model.folder) == on_disk(session.model.folder)
    (session.folder / "merged" / "x").mkdir(parents=True)
    assert needed(session, "code", "x") == base


def test_a_decision_needs_a_copy_of_the_database(session: Session) -> None:
    assert needed(session, "gate") == MARGIN_BYTES + (session.folder / "run.db").stat().st_size


def test_a_round_needs_more_where_more_is_asked_for() -> None:
    small, large = (round_bytes(config.load("smoke", [f"generate.codes={codes}"]), 100) for codes in (4, 8))
    assert 0 < small < large


def test_a_round_has_no_more_problems_than_there_are() -> None:
    settings = config.load("smoke", ["problems.per_round=1000"])
    assert round_bytes(settings, 10) * 2 == round_bytes(settings, 20)


@pytest.mark.parametrize("stage", ["problems", "code", "train", "benchmark", "gate"])
def test_a_stage_begins_with_just_enough_room_and_not_with_a_byte_less(session: Session, stage: str) -> None:
    enough = needed(session, stage, "x")
    Room(session, free=lambda _: enough).check(stage, rows.turn(1), "x")
    with pytest.raises(HostError, match=f"stage {stage} of round 1 may need .* make room and repeat the same command"):
        Room(session, free=lambda _: enough - 1).check(stage, rows.turn(1), "x")


def test_sizes_are_written_for_people() -> None:
    assert (size(64 * MIB), size(3 * 1024**3 // 2)) == ("64 MiB", "1.5 GiB")


def test_a_run_on_a_small_disk_ends_with_3_before_it_begins_and_goes_on_once_there_is_room(tmp_path: Path) -> None:
    prefix = private_mounts("a small disk")
    script = """
    import os, subprocess, sys
    from pathlib import Path
    from selfplay import commands
    from state.records import Promotion, Reply
    from state.store import Store
    from tests import scripted_loop

    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100m", "none", str(folder)], check=True)
    filler = folder / "filler"
    filler.write_bytes(bytes(60 * 1024**2))
    play = lambda: commands.guarded(lambda: scripted_loop.run(folder, "a", 1))
    assert play() == 3
    with Store.open(folder / "a" / "run.db", read_only=True) as store:
        assert store.count(Reply) == 0
    filler.unlink()
    assert play() == 0
    with Store.open(folder / "a" / "run.db", read_only=True) as store:
        assert store.count(Promotion) == 1
    """
    command = [*prefix, sys.executable, "-c", textwrap.dedent(script), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "stage problems of round 1 may need" in " ".join(done.stderr.split())
