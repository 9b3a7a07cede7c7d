"""Every program under tests/hostile ends the way its first line allows, and leaves sandbox and machine as they were."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sandbox import Limits, Sandbox, SandboxUnavailable, Status

FOLDER = Path(__file__).parent / "hostile"
PROGRAMS = sorted(FOLDER.glob("*.py"))
LIMITS = Limits(wall_s=2.0, cpu_s=4, memory_bytes=256 * 2**20)
LONGEST_S = 30.0
JAILS, PROCESSES_A_JAIL = 3, 3
GOOD = "def f(x):\n    return x + 1"


@dataclass(frozen=True)
class Program:
    code: str
    entry: str
    test: str
    allowed: tuple[str, ...]


def read(path: Path) -> Program:
    code = path.read_text()
    head = json.loads(code.splitlines()[0].removeprefix("# "))
    return Program(code=code, entry=head["entry"], test=head["test"], allowed=tuple(head["allowed"]))


@pytest.fixture(scope="module", params=["bwrap", "landlock"])
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    try:
        made = Sandbox(workers=1, level=request.param, limits=LIMITS)
    except SandboxUnavailable as error:
        pytest.skip(f"this host has no isolation at level {request.param}: {error}")
    with made:
        yield made


def tree() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


@pytest.mark.isolation
@pytest.mark.parametrize("path", PROGRAMS, ids=[path.stem for path in PROGRAMS])
def test_a_hostile_program_ends_as_its_first_line_allows(box: Sandbox, path: Path) -> None:
    program = read(path)
    assert program.allowed
    assert set(program.allowed) <= {status.value for status in Status}
    if not path.stem.startswith(("benign_", "attack_", "survive_", "secret_", "network_", "kernel_", "contaminate_")):
        assert "passed" not in program.allowed
    started = time.monotonic()
    verdict = box.run(program.code, program.test, entry_point=program.entry)
    took_s = time.monotonic() - started
    assert verdict.status.value in program.allowed, verdict
    assert verdict.trust == ("in_process" if "(S)" in program.test else "split")
    assert took_s < LONGEST_S
    good, bad = box.run_matrix([GOOD], ["assert f(3) == 4", "assert f(3) == 5"], entry_point="f")[0]
    assert (good.status, bad.status) == (Status.PASSED, Status.FAILED), (good, bad)
    assert len(tree()) <= JAILS * PROCESSES_A_JAIL, "a process outlived its execution"


def test_no_hostile_program_leaves_a_file_on_the_host() -> None:
    for folder in ("/tmp", "/dev/shm", "/var/tmp", "."):
        for name in ("left-behind", "left-behind-folder", "fill", "sandbox-probe"):
            assert not os.path.lexists(f"{folder}/{name}")


def test_there_are_programs_of_every_family() -> None:
    families = {path.stem.partition("_")[0] for path in PROGRAMS}
    wanted = "exhaust crash forge inprocess attack survive secret network kernel contaminate benign"
    assert families == set(wanted.split())
    assert sum(not path.stem.startswith("benign_") for path in PROGRAMS) >= 40
