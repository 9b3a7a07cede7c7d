"""One start of a scripted run, and how it is disturbed.

A start is a fork of this process, which has imported the program already: that is two thirds of a start's cost. Model
processes, jails and files are real.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from tests import scripted_loop
from tests.points import VARIABLE, Death, Watch

ROUNDS = 3
NAME = "run"
SKILL = 0.75
END_S = 180.0
CALLS = ("pwrite64", "fdatasync", "fsync", "rename", "unlink", "ftruncate", "mkdir", "openat")
SETTINGS = ("gate.alpha=0.9", "problems.per_round=3", "benchmark.limit=6", "sandbox.workers=1")

Victim = Literal["loop", "tree", "worker", "jail", "session"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """How one start is disturbed: at a point of its own (`death`), or from outside after some passages and a time."""

    death: Death | None = None
    victim: Victim = "loop"
    """"loop" is the orchestrator, "tree" it and everything below it, "worker" one model process, "jail" one bubblewrap
    or zygote, "session" one process inside a jail."""
    signals: tuple[int, ...] = (signal.SIGKILL,)
    passages: int = 0
    delay_s: float = 0.0
    call: str | None = None
    """Die on entering a system call of the orchestrator's main thread, SQLite's own included: this one ..."""
    share: float = 0.0
    """... after this part of all such calls of an undisturbed run."""


class Start:
    """One start of the loop, in a session of its own."""

    def __init__(self, folder: Path, settings: tuple[str, ...], watch: Watch, tracer: tuple[str, ...] = ()) -> None:
        """Begin.

        Args:
            folder: The runs folder.
            settings: Beyond those of every scenario.
            watch: What it notes, and where it is to die by itself.
            tracer: Command line of a program that runs the loop, which is then not a fork.
        """
        self.watch, self.began = watch, time.monotonic()
        arguments = ["--processes", str(folder), NAME, str(ROUNDS), "0", str(SKILL), *SETTINGS, *settings]
        self.pid = os.fork()
        if self.pid == 0:
            code = 70
            try:
                os.setsid()
                descriptor = os.open(folder / "screen", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.dup2(descriptor, 1)
                os.dup2(descriptor, 2)
                sys.stderr = os.fdopen(2, "w", buffering=1)
                os.environ[VARIABLE] = watch.to_json()
                if tracer:
                    line = [*tracer, sys.executable, "-m", "tests.scripted_loop", *arguments]
                    os.execvp(line[0], line)  # noqa: S606
                code = scripted_loop.main(arguments)
            except BaseException:  # noqa: BLE001 (this is where the interpreter would print it)
                traceback.print_exc()
            finally:
                os._exit(code)
        self.code: int | None = None

    def ended(self) -> bool:
        """Whether it has ended; its status is then known."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def wait(self) -> int:
        """Return how it ended.

        Raises:
            TimeoutError: It does not end.
        """
        while not self.ended():
            if time.monotonic() > self.began + END_S:
                raise TimeoutError(f"the loop does not end: {self.below()}")
            time.sleep(0.005)
        assert self.code is not None
        return self.code

    def below(self) -> list[psutil.Process]:
        """Return everything that it has started, its own process aside."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def passages(self) -> list[str]:
        """Return the places of what it has passed so far."""
        with contextlib.suppress(OSError):
            return [line.rpartition("\t")[2] for line in Path(self.watch.record).read_text().splitlines()]
        return []

    def place(self) -> str:
        """Return the stage it is in."""
        return (self.passages() or ["start"])[-1]


def victims(start: Start, victim: Victim) -> list[int]:
    """Return the processes that a kill may strike; a "tree" is struck as a whole."""
    if victim == "loop":
        return [start.pid]
    found: dict[Victim, list[int]] = {"worker": [], "jail": [], "session": [], "tree": [start.pid]}
    for process in start.below():
        with contextlib.suppress(psutil.NoSuchProcess):
            line, parent = process.cmdline(), process.parent()
            kind: Victim = "jail"
            if any(part.startswith("tests.scripted_") for part in line):
                kind = "worker"
            elif parent is not None and "bwrap" not in (parent.cmdline() or [""])[0] and parent.pid != start.pid:
                kind = "session"
            found[kind].append(process.pid)
            found["tree"].append(process.pid)
    return found[victim]


def strike(start: Start, kill: Kill, draw: float) -> str | None:
    """Disturb a start from outside; return where, or None where it ended before."""
    while len(start.passages()) < kill.passages:
        if start.ended():
            return None
        time.sleep(0.002)
    time.sleep(kill.delay_s)
    while not start.ended():
        found = victims(start, kill.victim)
        if found:
            place = start.place()
            struck = found if kill.victim == "tree" else [found[int(draw * len(found))]]
            for number in kill.signals:
                for pid in struck:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
                time.sleep(0.01 if len(kill.signals) > 1 else 0)
            return place
        time.sleep(0.001)
    return None


def expected(kill: Kill | None) -> set[int]:
    """Return how a start may end."""
    if kill is None:
        return {0}
    if kill.death is not None:
        dies = kill.death.process == "loop" or kill.death.parent
        return {-signal.SIGKILL} if dies else {0, 3}
    if kill.victim in ("loop", "tree"):
        if kill.signals[0] == signal.SIGKILL:
            return {-signal.SIGKILL}
        return {0, -kill.signals[0]}  # it stopped as asked; or it had not yet begun to listen
    return {0, 3}  # it went on by itself, or said that the machine failed
