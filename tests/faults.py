"""What the tests of faults share: starting a loop that suffers one, and what must be in its database in the end."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from state.records import Promotion, Round
from state.store import Store
from tests import faulty_loop
from tests.tables import rows
from tests.test_rounds import ROOT

NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-euc")
"""Runs a shell script that may mount; what it mounts is gone when it ends."""


@functools.cache
def undisturbed() -> dict[str, list[tuple[object, ...]]]:
    """Return what a run of one round holds when nothing happens to it."""
    with tempfile.TemporaryDirectory() as folder:
        assert faulty_loop.run(Path(folder), "a", 1) == 0
        return rows(Path(folder) / "a" / "run.db")


def command(runs: Path, fault: str = "none", *overrides: str, rounds: int = 1) -> list[str]:
    """Return the command line of a loop that suffers a fault."""
    return [sys.executable, "-m", "tests.faulty_loop", str(runs), "a", str(rounds), fault, *overrides]


def environment() -> dict[str, str]:
    return os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}


def suffer(runs: Path, fault: str = "none", *overrides: str, rounds: int = 1) -> subprocess.CompletedProcess[str]:
    """Run such a loop to its end, in a process of its own."""
    return finish(start(runs, fault, *overrides, rounds=rounds))


def start(runs: Path, fault: str = "none", *overrides: str, rounds: int = 1) -> subprocess.Popen[str]:
    """Start such a loop in a process and session of its own."""
    return subprocess.Popen(
        command(runs, fault, *overrides, rounds=rounds),
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, errors = process.communicate(timeout=120)
    assert "Traceback" not in errors, errors
    assert "Logging error" not in errors, errors
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def script(runs: Path, **roles: list[tuple[int | None, str]]) -> None:
    """Have models be real processes that fail so (faulty_worker.py)."""
    (runs / "script").mkdir(parents=True, exist_ok=True)
    (runs / "script" / "script.json").write_text(json.dumps(roles))


def starts(runs: Path, role: str) -> list[list[int]]:
    """Return [process id, batch] of every start of a scripted worker."""
    return [
        [int(word) for word in line.split()] for line in (runs / "script" / f"{role}-starts").read_text().splitlines()
    ]


def outcomes(runs: Path) -> list[tuple[str | None, str]]:
    """Return each round's outcome, and the reason on record."""
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        return [
            (round_.outcome, "".join(row.reason for row in store.all(Promotion, round_id=round_.id)))
            for round_ in store.all(Round)
        ]


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)
