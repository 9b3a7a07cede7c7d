"""Workers that fail as their script says: an engine and a trainer without a model, in real processes of their own.

`script.json` in the model's folder holds, for "engine" and for "trainer", one [when, how] a start; the last entry
serves all further starts. `when` counts answers or steps; -1 is before the worker is ready.
"""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from selfplay.channel import Channel, Json, serve
from selfplay.train import ADAPTER_FILES, from_message
from selfplay.train_files import write_result
from tests import broken_disk
from tests.fakes import scripted_training

MIB = 1 << 20
HUNGER_BYTES = 32 * MIB
"""What an engine needs for each sequence that it decodes at once, when its script makes it hungry."""


class Script:
    """What this start of a worker is to suffer, and when."""

    def __init__(self, folder: Path, role: str, channel: Channel, appetite: int) -> None:
        self.folder, self.channel, self.appetite = folder, channel, appetite
        with (folder / f"{role}-starts").open("a+") as starts:
            starts.write(f"{os.getpid()} {appetite}\n")
            starts.seek(0)
            number = len(starts.readlines()) - 1
        entries = json.loads((folder / "script.json").read_text()).get(role, [[None, ""]])
        self.when, self.how = entries[min(number, len(entries) - 1)]

    def reach(self, count: int) -> None:
        """Fail, if now is the time."""
        if count != self.when:
            return
        match self.how:
            case "hang":
                child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
                print(f"waiting for {child.pid}", flush=True)  # noqa: T201
                time.sleep(1000)
            case "pause":
                print("pausing", flush=True)  # noqa: T201
                time.sleep(2.0)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "crash":
                raise RuntimeError("CUDA error: an illegal memory access was encountered")
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "memory":
                used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
                resource.setrlimit(resource.RLIMIT_AS, (used + 20 * HUNGER_BYTES, resource.RLIM_INFINITY))
                self.hoard = bytearray(self.appetite * HUNGER_BYTES)
            case "garbage":
                os.write(self.channel._write_fd, b'{"batch": \xff\xfe\x00\n')
                time.sleep(1000)
            case "nonsense":
                self.channel.send({"step": "seven", "batch": 1, "answer": {"request_id": "nobody's"}})
                time.sleep(1000)
            case "eio":
                broken_disk.refuse("fsync", errno.EIO)
            case "full":
                broken_disk.fill(self.folder.parent)


def engine(job: Json, channel: Channel) -> None:
    folder = Path(job["model"])
    script = Script(folder, "engine", channel, job["max_num_seqs"])
    script.reach(-1)
    channel.send({"ready": True, "canary": "def add(a, b): return a + b", "start_s": 0.1})
    sent = 0
    while (message := channel.receive()) is not None:
        answers = json.loads((folder / "answers.json").read_text())
        for request in message["requests"]:
            script.reach(sent)
            channel.send({"batch": message["batch"], "answer": answers[request["id"]]})
            sent += 1


def trainer(message: Json, channel: Channel) -> None:
    job, identity, batching = from_message(message)
    script = Script(job.model, "trainer", channel, batching.batch_size)
    script.reach(-1)
    channel.send({"load_s": 0.1})
    steps: list[Json] = []

    def on_step(step: Json) -> None:
        script.reach(len(steps))
        steps.append(step)
        channel.send({"step": step})

    made = job.out.with_name("made")
    result = scripted_training()(dataclasses.replace(job, out=made), Path(os.devnull), on_step)
    script.reach(len(steps))

    def save(folder: Path) -> None:
        for name in ADAPTER_FILES:
            shutil.copy(made / name, folder / name)

    write_result(job.out, identity, dataclasses.replace(result, sha256=None), steps, save)
    shutil.rmtree(made)


def main(job: Json, channel: Channel) -> None:
    (trainer if "identity" in job else engine)(job, channel)


if __name__ == "__main__":
    serve(main)
