"""A scripted run of many rounds, watched from outside: does anything grow that the config does not keep?

    python -m bench.soak [ROUNDS]

The loop, the database, the sandbox, the selection and the gate are the product's; a script stands for the models
(tests/scripted_loop.py). After each round this looks at the loop's process and everything below it, at its temporary
files and at the run's folder. The database holds every sample and so grows by its rows; it and its copies are told
apart from the rest, and so are the adapters of promoted candidates, which are kept for good.

Exit 1 where something grew, or a process was left behind.

Not covered: the memory of model processes, which end with every stage.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import psutil

from selfplay.room import on_disk
from state import StoreError
from state.records import Adapter, Promotion
from state.store import Store
from tests.leftovers import orphans_adopted, processes

ROOT = Path(__file__).parent.parent
ROUNDS = 200
SKILL = 0.85
SETTINGS = (
    "problems.per_round=3",
    "generate.codes=6",
    "benchmark.limit=24",
    "gate.alpha=0.5",
    "gate.margin=0.5",
    "keep.log_bytes=16384",
)
"""Some candidates are promoted, most are not, and logs are full soon."""
POLL_S = 0.1
MIB = 1024**2
ALLOWED = {
    "loop_bytes": 8 * MIB,
    "children_bytes": 16 * MIB,
    "open_files": 3,
    "threads": 3,
    "children": 3,
    "rest_bytes": 64 * 1024,
    "rest_files": 8,
    "temporary_files": 3,
}
"""Most by which the median of the last fifth of the looks may lie above that of the second fifth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What there was after a round."""

    round: int
    loop_bytes: int
    """Resident memory of the loop's process."""
    children_bytes: int
    open_files: int
    threads: int
    children: int
    database_bytes: int
    """With its write-ahead log and its copies."""
    champions_bytes: int
    """Adapters of promoted candidates."""
    rest_bytes: int
    rest_files: int
    temporary_files: int


def look(process: psutil.Process, run: Path, temporary: Path, promotions: int, lineage: Sequence[Path]) -> Look:
    """Return what there is now."""
    memory, count = 0, 0
    for child in process.children(recursive=True):
        try:
            memory += child.memory_info().rss
            count += 1
        except psutil.NoSuchProcess:
            continue
    database = [*run.glob("run.db*"), run / "backups"]
    files = [path for path in run.rglob("*") if path.is_file()]
    rest = [path for path in files if not {path, *path.parents} & {*database, *lineage}]
    return Look(
        round=promotions,
        loop_bytes=process.memory_info().rss,
        children_bytes=memory,
        open_files=process.num_fds(),
        threads=process.num_threads(),
        children=count,
        database_bytes=sum(map(on_disk, database)),
        champions_bytes=sum(map(on_disk, lineage)),
        rest_bytes=sum(map(on_disk, rest)),
        rest_files=len(rest),
        temporary_files=sum(1 for _ in temporary.rglob("*")),
    )


def grown(looks: Sequence[Look]) -> list[str]:
    """Return what grew by more than is allowed, a line each.

    Args:
        looks: At least ten, in order; the first fifth is start-up and does not count.
    """
    fifth = len(looks) // 5
    found = []
    for name, allowed in ALLOWED.items():
        early = statistics.median(getattr(each, name) for each in looks[fifth : 2 * fifth])
        late = statistics.median(getattr(each, name) for each in looks[-fifth:])
        if late - early > allowed:
            found.append(f"{name} grew from {early:.0f} to {late:.0f} (allowed: {allowed})")
    return found


def soak(rounds: int, folder: Path, settings: Sequence[str] = SETTINGS) -> tuple[list[Look], list[str]]:
    """Play a scripted run in a process of its own; return the looks, and what it left behind, a line each.

    Raises:
        RuntimeError: The run failed.
    """
    temporary, run = folder / "tmp", folder / "soak"
    temporary.mkdir()
    script = [sys.executable, "-m", "tests.scripted_loop", str(folder), "soak", str(rounds), "0", str(SKILL)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with orphans_adopted(), (folder / "output").open("wb") as output:
        loop = psutil.Popen([*script, *settings], cwd=ROOT, stdout=output, stderr=output, env=environment)
        looks: list[Look] = []
        while loop.poll() is None:
            found = _promotions(run)
            if found is not None and found[0] > (looks[-1].round if looks else 0):
                try:
                    looks.append(look(loop, run, temporary, *found))
                except (psutil.NoSuchProcess, FileNotFoundError):  # a file went while it was looked at
                    continue
            time.sleep(POLL_S)
        if loop.returncode:
            raise RuntimeError((folder / "output").read_text()[-2000:])
        deadline = time.monotonic() + 5.0
        while processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        left = [f"process {pid} was left behind" for pid in sorted(processes())]
    return looks, left + [f"{path} was left behind" for path in temporary.rglob("*")]


def _promotions(run: Path) -> tuple[int, list[Path]] | None:
    """Return how many rounds are decided, and the folders of promoted adapters."""
    try:
        with Store.open(run / "run.db", read_only=True) as store:
            promoted = {each.candidate_id for each in store.all(Promotion, promoted=True)}
            paths = [run / each.path for each in store.all(Adapter) if each.path and each.id in promoted]
            return store.count(Promotion), paths
    except StoreError:  # not yet there
        return None


def table(looks: Sequence[Look], lines: int = 12) -> str:
    """Return the looks as a table, thinned out to about so many lines; bytes as MiB."""
    names = [field.name for field in fields(Look)]
    heads = [name.replace("_bytes", "_mib") for name in names]
    step = max(1, len(looks) // lines)
    shown = [*looks[:-1:step], looks[-1]]
    body = [
        [f"{getattr(each, name) / MIB:.2f}" if name.endswith("_bytes") else str(getattr(each, name)) for name in names]
        for each in shown
    ]
    widths = [max(map(len, column)) for column in zip(heads, *body, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in [heads, *body]
    )


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        started = time.monotonic()
        looks, left = soak(rounds, Path(name))
        wall_s = time.monotonic() - started
    print(table(looks))
    first, last = looks[0], looks[-1]
    slope = (last.database_bytes - first.database_bytes) / max(1, last.round - first.round)
    print(f"{rounds} rounds in {wall_s:.0f} s; the database and its copies grow by {slope / 1024:.0f} KiB a round")
    wrong = grown(looks) + left
    print("\n".join(wrong) if wrong else "flat: nothing else grew, and nothing was left behind")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
