"""Worker: trains as trainer.py does, restart points, flushes and renames included, but on a hash instead of a model.

What it has learnt is a chain of hashes, so that going on from a wrong restart point would give another adapter.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from selfplay.channel import Channel, Json, serve
from selfplay.train import TrainResult, from_message
from selfplay.train_files import mark_whole, restart_point, write_result
from tests.points import Watch, watch
from tests.script import Script

STEPS = 4


def main(message: Json, channel: Channel) -> None:
    job, identity, _ = from_message(message)
    script = Script.read(job.model)
    if script.watch is not None:
        watch(Watch.from_json(script.watch), f"trainer-{int(job.out.name.rpartition('-')[2])}")
    checkpoint, steps = restart_point(job.checkpoints, identity)
    for step in steps:
        channel.send({"step": step})
    learnt = identity if checkpoint is None else (checkpoint / "learnt").read_text()
    for number in range(len(steps) + 1, STEPS + 1):
        time.sleep(script.delay_s)
        learnt = hashlib.sha256(f"{learnt} {number}".encode()).hexdigest()
        step = {"step": number, "total_steps": STEPS, "loss": 0.7 / number, "tokens": 100, "wall_s": 0.1}
        steps.append(step)
        channel.send({"step": step})
        if number % job.section.save_every == 0:
            folder = job.checkpoints / f"checkpoint-{number}"
            folder.mkdir()
            (folder / "learnt").write_text(learnt)
            mark_whole(folder, identity, steps)
    result = TrainResult(
        outcome="trained",
        reason="",
        steps=STEPS,
        tokens=100 * STEPS,
        tokens_per_s=10.0,
        metrics={"loss": 0.7 / STEPS},
    )

    def save(part: Path) -> None:
        (part / "adapter_model.safetensors").write_text(learnt)
        (part / "adapter_config.json").write_text("{}")

    write_result(job.out, identity, result, steps, save)


if __name__ == "__main__":
    serve(main)
