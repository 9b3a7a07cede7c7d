"""Every program under tests/hostile ends the way its first line allows, and leaves sandbox and machine as they were.

Every hostile program has a benign twin under tests/hostile/benign that does the nearest lawful thing and must pass: a
sandbox that refuses everything fails here too.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status

from .leftovers import Host, left_since, orphans_adopted, processes
from .programs import BENIGN, HOSTILE, UNSPLIT, Program
from .readable import make_readable

FAMILIES = "attack contaminate crash exhaust forge inprocess kernel network secret survive"
ISOLATING = ("bwrap", "uid", "landlock")
LIMITS = Limits(wall_s=1.25, cpu_s=4, memory_bytes=256 * 2**20)
LONGEST_S = 30.0
GOOD = "def f(x):\n    return x + 1"


class Level:
    """A sandbox at one level, and the host as it was before it."""

    def __init__(self, name: str) -> None:
        self.before = Host.now()
        self.box = Sandbox(workers=1, level=name, limits=LIMITS)
        self.control()
        assert self.box.run(*UNSPLIT, entry_point="S").trust == "in_process"  # its jail starts when first needed
        self.resting = len(processes())

    def control(self) -> None:
        """See that a good code passes and a bad one does not."""
        good, bad = self.box.run_matrix([GOOD], ["assert f(3) == 4", "assert f(3) == 5"], entry_point="f")[0]
        assert (good.status, bad.status) == (Status.PASSED, Status.FAILED), (good, bad)

    def more_than_resting(self) -> bool:
        """Say whether more runs than a sandbox at rest has, once what was ending has had its time to end."""
        deadline = time.monotonic() + 5.0
        while (more := len(processes()) > self.resting) and time.monotonic() < deadline:
            time.sleep(0.01)
        return more


@pytest.fixture(scope="module", params=ISOLATING)
def level(request: pytest.FixtureRequest) -> Iterator[Level]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch, orphans_adopted():
        if request.param == "uid" and os.geteuid() == 0:
            make_readable(Path(folder), patch)
        try:
            made = Level(request.param)
        except SandboxUnavailable as error:
            pytest.skip(f"this host has no isolation at level {request.param}: {error}")
        with made.box:
            yield made


def run(level: Level, program: Program, caplog: pytest.LogCaptureFixture) -> None:
    started = time.monotonic()
    with caplog.at_level(logging.WARNING, logger="sandbox"):
        verdict = level.box.run(program.code, program.test, entry_point=program.entry)
    took_s = time.monotonic() - started
    assert verdict.status.value in program.allowed, verdict
    assert verdict.trust == ("in_process" if "(S)" in program.test else "split")
    assert took_s < LONGEST_S
    assert math.isfinite(verdict.cpu_s)
    assert verdict.peak_rss_bytes <= 2 * LIMITS.memory_bytes
    assert verdict.detail.isprintable(), "a detail is one line that can be stored and shown"
    assert not caplog.messages, "a program broke a jail"
    level.control()
    assert not level.more_than_resting(), "a process outlived its execution"


@pytest.mark.isolation
@pytest.mark.parametrize("program", HOSTILE, ids=[program.name for program in HOSTILE])
def test_a_hostile_program_ends_as_its_first_line_allows(
    level: Level, program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    run(level, program, caplog)


@pytest.mark.isolation
@pytest.mark.parametrize("program", BENIGN, ids=[program.name for program in BENIGN])
def test_its_benign_twin_passes(level: Level, program: Program, caplog: pytest.LogCaptureFixture) -> None:
    run(level, program, caplog)


@pytest.mark.isolation
def test_nothing_is_left_on_the_host(level: Level) -> None:
    level.box.close()
    assert left_since(level.before) == []


def test_a_program_says_which_endings_are_right() -> None:
    for program in HOSTILE:
        assert program.allowed
        assert set(program.allowed) <= {status.value for status in Status}
        assert not program.contained or "assert f(3) == [], f(3)" in program.test, program.name
    assert all(program.allowed == ("passed",) for program in BENIGN)


def test_every_hostile_program_has_a_twin_of_its_own() -> None:
    twins = {program.name: program.code for program in BENIGN if not program.name.startswith("plain_")}
    assert set(twins) == {program.name for program in HOSTILE}
    bodies = [code.partition("\n")[2] for code in twins.values()]
    assert len(set(bodies)) == len(bodies)


def test_there_are_programs_of_every_family() -> None:
    assert {program.family for program in HOSTILE} == set(FAMILIES.split())
    assert len(HOSTILE) >= 140
