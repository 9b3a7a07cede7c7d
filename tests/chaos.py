"""Kills a scripted run, finishes it with the same command, and compares it with one that nobody disturbed.

A `Scenario` is one run of three rounds that is killed once or several times, each time somewhere else. After every end,
however it came, nothing of the run may remain but its folder: no process, no temporary file, no mount, no shared
memory, no lock. At last a start that nobody disturbs must end with 0, and then every row of every table (tables.py
names the columns that are left out), every adapter's bytes, and the names of all files must be those of the undisturbed
run.

Not covered: a power failure (no test here takes back what the kernel has been given), and two kills at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos_start import CALLS, NAME, Kill, Start, expected, strike
from tests.points import Death, Watch
from tests.remains import left_behind, seen
from tests.script import NAMELESS
from tests.tables import Rows, rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run, and how it is disturbed."""

    number: int
    group: str
    """Row of the table."""
    kills: tuple[Kill, ...]
    settings: tuple[str, ...] = ()

    @staticmethod
    def of(values: dict[str, Any]) -> Scenario:
        """Return what `dataclasses.asdict` was given, by way of JSON."""
        kills = tuple(
            Kill(**kill | {"death": kill["death"] and Death(**kill["death"]), "signals": tuple(kill["signals"])})
            for kill in values["kills"]
        )
        return Scenario(**values | {"kills": kills, "settings": tuple(values["settings"])})


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a scenario."""

    number: int
    group: str
    places: list[str] = field(default_factory=list)
    """The stage of each kill that came."""
    missed: int = 0
    """Kills that never came, because the run was done before."""
    codes: list[int] = field(default_factory=list)
    """How each start ended; negative is a signal."""
    lost: list[str] = field(default_factory=list)
    """What the undisturbed run has and this one has not."""
    more: list[str] = field(default_factory=list)
    """What this one has and the undisturbed run has not."""
    left: list[str] = field(default_factory=list)
    """What was left behind after an end."""
    wrong: list[str] = field(default_factory=list)
    """Ends with a status that no end of this kind should have."""
    wall_s: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether nothing at all is amiss."""
        return not (self.lost or self.more or self.left or self.wrong)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished run holds."""

    tables: Rows
    files: tuple[str, ...]
    """Names below the run's folder; an adapter's with the hash of its bytes."""


def result_of(folder: Path) -> Result:
    """Return what a finished run holds."""
    run = folder / NAME
    files = []
    for path in sorted(run.rglob("*")):
        name = path.relative_to(run).as_posix()
        if name.startswith("adapters/") and path.is_file():
            name += f" {hashlib.sha256(path.read_bytes()).hexdigest()}"
        files.append(name)
    return Result(tables=rows(run / "run.db"), files=tuple(files))


def differences(want: Result, got: Result) -> tuple[list[str], list[str]]:
    """Return what is missing and what is too much."""
    lost, more = [], []
    for table in want.tables:
        a, b = Counter(want.tables[table]), Counter(got.tables[table])
        lost += [f"{table}: {row}"[:300] for row in (a - b).elements()]
        more += [f"{table}: {row}"[:300] for row in (b - a).elements()]
    files, found = set(want.files), set(got.files)
    return (
        lost + [f"file {name}" for name in sorted(files - found)],
        more + [f"file {name}" for name in sorted(found - files)],
    )


class Stand:
    """Where scenarios are played, one after another."""

    def __init__(self, scratch: Path, *, private: tuple[str, ...]) -> None:
        """Play below `scratch`; `private` are shared folders that belong to this stand alone."""
        self.scratch, self.private = scratch, private
        self.references: dict[tuple[str, ...], Result] = {}
        self.calls: dict[str, int] = {}
        self.passages: list[str] = []
        """What an undisturbed run passes: process, kind, number, place."""
        temporary = scratch / "tmp"
        temporary.mkdir(parents=True)
        os.environ["TMPDIR"] = str(temporary)
        part = scratch / "problems.part"
        part.write_text("\n".join(map(json.dumps, PROBLEMS)) + "\n")
        self.problems = part.rename(scratch.parent / "problems.jsonl")  # the config names it: one for all stands

    def reference(self, settings: tuple[str, ...]) -> Result:
        """Return what an undisturbed run with these settings holds."""
        if settings not in self.references:
            folder = self.scratch / "undisturbed"
            shutil.rmtree(folder, ignore_errors=True)
            outcome = Outcome(number=0, group="undisturbed")
            self._go(folder, settings, (), outcome)
            if not outcome.exact:
                raise RuntimeError(f"an undisturbed run: {outcome}; its screen: {(folder / 'screen').read_text()}")
            self.references[settings] = result_of(folder)
            if not settings:
                self.passages = (folder / "passed-0").read_text().splitlines()
        return self.references[settings]

    def play(self, scenario: Scenario) -> Outcome:
        """Play one scenario."""
        want = self.reference(scenario.settings)
        folder = self.scratch / f"scenario-{scenario.number:04d}"
        shutil.rmtree(folder, ignore_errors=True)
        outcome = Outcome(number=scenario.number, group=scenario.group)
        began = time.monotonic()
        self._go(folder, scenario.settings, scenario.kills, outcome)
        if (folder / NAME / "run.db").exists():
            outcome.lost, outcome.more = differences(want, result_of(folder))
        else:
            outcome.lost = ["everything"]
        outcome.wall_s = time.monotonic() - began
        if outcome.exact:
            shutil.rmtree(folder)
        return outcome

    def _tracer(self, kill: Kill | None) -> tuple[str, ...]:
        if kill is None or kill.call is None:
            return ()
        if not self.calls:
            folder = self.scratch / "traced"
            folder.mkdir()
            watch = Watch(record=str(folder / "passed"), fired="")
            log = folder / "calls"
            line = ("strace", "-e", f"trace={','.join(CALLS)}", "-o", str(log))
            Start(folder, (f"problems.source={self.problems}",), watch, line).wait()
            counts = Counter(row.partition("(")[0] for row in log.read_text().splitlines())
            self.calls = {name: counts[name] for name in CALLS}
        number = 1 + int(kill.share * self.calls[kill.call])
        inject = f"inject={kill.call}:signal=SIGKILL:when={number}"
        return ("strace", "-e", f"trace={kill.call}", "-e", inject, "-o", "/dev/null")

    def _go(self, folder: Path, settings: tuple[str, ...], kills: tuple[Kill, ...], outcome: Outcome) -> None:
        folder.mkdir()
        settings = (f"problems.source={self.problems}", *settings)
        for number, kill in enumerate((*kills, None)):
            watch = Watch(
                record=str(folder / f"passed-{number}"),
                fired=str(folder / f"fired-{number}"),
                death=None if kill is None else kill.death,
            )
            before = seen(self.private)
            start = Start(folder, settings, watch, self._tracer(kill))
            place: str | None = None
            if kill is not None and kill.death is None and kill.call is None:
                place = strike(start, kill, (outcome.number * 0.6180339887) % 1)
            code = start.wait()
            if kill is not None and kill.death is not None and Path(watch.fired).exists():
                place = Path(watch.fired).read_text()
            if kill is not None and kill.call is not None and code == -signal.SIGKILL:
                place = start.place()
            outcome.codes.append(code)
            if kill is not None and place is not None:
                outcome.places.append(place)
            outcome.missed += kill is not None and place is None
            if code not in expected(kill if place is not None else None):
                outcome.wrong.append(f"start {number + 1} ended with {code}")
            outcome.left += [what for what in left_behind(folder, before, self.private) if what not in outcome.left]
            if kill is None or (code == 0 and place is None):
                return


PROBLEMS: tuple[Mapping[str, object], ...] = (
    {
        "prompt": "Return the sum of the two integers a and b.",
        "signature": "def add(a: int, b: int) -> int:",
        "reference": "def add(a: int, b: int) -> int:\n    return a + b",
        "reference_tests": ["assert add(2, 3) == 5", "assert add(-1, 1) == 0"],
    },
    {
        "prompt": "Return the length of the text s.",
        "signature": "def length(s: str) -> int:",
        "reference": "def length(s: str) -> int:\n    return len(s)",
        "reference_tests": ["assert length('abc') == 3", "assert length('') == 0"],
    },
    {
        "prompt": "Return n multiplied by itself.",
        "signature": "def square(n: int) -> int:",
        "reference": "def square(n: int) -> int:\n    return n * n",
        "reference_tests": ["assert square(-4) == 16", "assert square(3) == 9"],
    },
    {
        "prompt": "Return the first word of the text s.",
        "signature": "def first_word(s: str) -> str:",
        "reference": "def first_word(s: str) -> str:\n    return s.split()[0]",
        "reference_tests": ["assert first_word('a b') == 'a'", "assert first_word('no') == 'no'"],
    },
    *({"prompt": prompt} for prompt in NAMELESS),
)
"""Some come without a signature; two never get any."""
