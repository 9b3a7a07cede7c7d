"""The product's loop with a script in place of the models, on a machine that fails.

    python -m tests.faulty_loop RUNS_DIR NAME ROUNDS FAULT [SECTION.KEY=VALUE ...]

It ends and speaks as the command line does. FAULT is "none", or what happens to this process and when, WHAT@MOMENT:

    full             the disk of the runs folder is filled up
    pwrite64:EIO     from now on a system call fails: SQLite writes with this one
    log:EIO          the run's log cannot be written any more
    clock:-3600      the clock jumps, in seconds
    hold             a file "reached" appears beside the runs, and nothing goes on before there is a file "go"
    signal:SIGKILL   this process gets a signal
    jails:SIGSTOP    everything that runs in the sandbox gets one
    no-jails         the sandbox is killed, and no program can be started any more

MOMENT is an answer ("code", "test", "score", or "candidate" for a candidate's score; the first of its kind) or "train"
(the second step). Where RUNS_DIR holds a folder "script", models are real processes that fail as it says
(faulty_worker.py); where it holds a file "slow", every code takes a while to load.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

from run_loop import play
from sandbox import Sandbox
from selfplay import commands, config, session, startup
from selfplay.engines import Engines, Weights
from selfplay.generate import Answer, Generator, Request, VllmGenerator
from selfplay.models import ModelFiles
from selfplay.resources import Resources
from selfplay.rounds import Tools
from selfplay.sections import Generate
from selfplay.session import Session, run_folder
from selfplay.train import TrainJob, TrainResult, train
from selfplay.watchdog import Watchdog
from state.records import Problem
from tests import broken_disk
from tests.fakes import ScriptedGenerator, scripted_training
from tests.script import Script

SETTINGS = (
    "problems.per_round=3",
    "problems.decontaminate=false",
    "generate.codes=3",
    "generate.test_replies=1",
    "generate.tests=3",
    "benchmark.limit=3",
    "gate.curtail=false",
    "train.min_pairs=1",
    "sandbox.workers=1",
    "sandbox.wall_s=2.0",
    "watchdog.starts=8",
    "watchdog.token_s=3",
    "watchdog.step_s=3",
    "watchdog.execution_s=3",
)


class Scripted(ScriptedGenerator):
    """The scripted model, in this process; tells the fault which moment has come."""

    at: Callable[[str], None] = staticmethod(lambda moment: None)

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        for answer in super().generate(requests, on_progress):
            kind = answer.request_id.partition(":")[0]
            if kind not in {"code", "test"}:
                kind = "score" if self.weights.id == "scripted" else "candidate"
            self.at(kind)
            yield answer


class Slow(Script):
    """Writes codes that take their time."""

    def reply(self, weights_id: str, request_id: str, seed: int | None, position: int) -> str:
        text = super().reply(weights_id, request_id, seed, position)
        return f"import time\ntime.sleep(0.3)\n{text}" if request_id.startswith("code:") else text


class Engine(VllmGenerator):
    """The scripted model in a worker process, behind the product's own bookkeeping."""

    worker_module = "tests.faulty_worker"

    def __init__(self, scripted: ScriptedGenerator, folder: Path, log: Path, watchdog: Watchdog) -> None:
        super().__init__(folder, None, Generate(), 512, log, folder, watchdog)
        self.scripted, self.folder = scripted, folder

    def generate(
        self, requests: Sequence[Request], on_progress: Callable[[int], None] | None = None
    ) -> Iterator[Answer]:
        answers = {answer.request_id: asdict(answer) for answer in self.scripted.generate(requests)}
        (self.folder / "answers.json").write_text(json.dumps(answers))
        yield from super().generate(requests, on_progress)


def tools(at: Callable[[str], None], script: Path) -> startup.MakeTools:
    """Return what makes the loop's tools: workers where there is a script for them, else all in this process."""

    def make(current: Session, box: Sandbox, _resources: Resources) -> Tools:
        known = Script.of(current.store.all(Problem), current.tasks, adapter_skill=0.95, delay_s=0.0)
        slow = Slow(**{name: getattr(known, name) for name in Script.__dataclass_fields__})
        watchdog = current.config.watchdog

        def start(weights: Weights) -> Generator:
            scripted = Scripted(weights, slow if script.with_name("slow").exists() else known)
            scripted.at = at
            if not script.exists():
                return scripted
            return Engine(scripted, script, current.folder / "logs" / "generate.log", watchdog)

        def train_here(job: TrainJob, log: Path, on_step: Callable[[dict[str, Any]], None]) -> TrainResult:
            def step(values: dict[str, Any]) -> None:
                if values["step"] == 2:
                    at("train")
                on_step(values)

            if script.exists():
                return train(job, log, step, module="tests.faulty_worker", watchdog=watchdog)
            return scripted_training()(job, log, step)

        return Tools(engines=Engines(start), train=train_here, box=box)

    return make


def shifted(seconds: float) -> type[datetime]:
    """Return a clock that is wrong by this much."""

    class Shifted(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Shifted:
            right = datetime.now(tz or UTC) + timedelta(seconds=seconds)
            return cls.fromisoformat(right.isoformat())

    return Shifted


def happens(fault: str, folder: Path) -> Callable[[str], None]:
    """Return what makes the fault happen at its moment, once."""
    what, _, moment = fault.partition("@")
    left = [moment]

    def at(now: str) -> None:
        if now in left:
            left.clear()
            befall(*what.partition(":")[::2], folder)

    return at


def befall(what: str, detail: str, folder: Path) -> None:
    """Make the fault happen."""
    match what:
        case "full":
            broken_disk.fill(folder.parent)
        case "log":
            log = broken_disk.descriptor_of(folder / "logs" / "run.log")
            broken_disk.refuse("write", getattr(errno, detail), log)
        case "clock":
            vars(session)["datetime"] = shifted(float(detail))
        case "hold":
            (folder.parent / "reached").touch()
            while not (folder.parent / "go").exists():
                time.sleep(0.05)
        case "signal":
            os.kill(os.getpid(), getattr(signal, detail))
        case "jails":
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(getattr(signal, detail))
        case "no-jails":
            broken_disk.refuse("execve", errno.EPERM)
            for process in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        case _:
            broken_disk.refuse(what, getattr(errno, detail))


def run(runs_dir: Path, name: str, rounds: int, fault: str = "none", *overrides: str) -> int:
    """Play a run to its end and return the exit code of the command line."""
    settings = config.load("smoke", (*SETTINGS, *overrides))
    folder, script = run_folder(runs_dir, name), runs_dir / "script"
    model = ModelFiles(folder=script, sha256="scripted", source="script", licence=None)
    make = tools(happens(fault, folder), script)
    console = Console(stderr=True)
    return commands.guarded(partial(commands.play_run, folder, settings, lambda: model, rounds, console, play, make))


if __name__ == "__main__":
    sys.exit(run(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), *sys.argv[4:]))
