"""Exact restart: a run is killed in every place that can be told apart and in others at random, and ends the same.

    python -m bench.chaos [--scripted N] [--real N] [--seed S] [--lanes L] [--out FOLDER]

Scripted: `plan` has a kill just before and just after every passage of a boundary that an undisturbed run of three
rounds makes (tests/points.py), and kills from outside at random; `--scripted N` plays N of them, drawn by the seed.
tests/chaos.py says what one scenario checks. Real: chaos_real.py.

Outcomes go to OUT/scripted.jsonl as they come; the same command goes on where it stopped. Exit 1 where a run did not
end exactly as an undisturbed one does.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import chaos_real
from tests.chaos import Outcome, Scenario
from tests.chaos_lane import lane_command
from tests.chaos_start import CALLS, Kill, Victim
from tests.points import Death

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Way:
    """A way to disturb a run from outside."""

    name: str
    """Row of the table."""
    victim: Victim
    signals: tuple[int, ...]
    count: int
    """How many a full plan has."""


OUTSIDE = (
    Way("SIGKILL of the orchestrator", "loop", (signal.SIGKILL,), 40),
    Way("SIGKILL of everything at once", "tree", (signal.SIGKILL,), 40),
    Way("SIGKILL of a model process", "worker", (signal.SIGKILL,), 25),
    Way("SIGKILL of a jail", "jail", (signal.SIGKILL,), 25),
    Way("SIGKILL inside a jail", "session", (signal.SIGKILL,), 20),
    Way("SIGTERM", "loop", (signal.SIGTERM,), 20),
    Way("SIGINT", "loop", (signal.SIGINT,), 20),
    Way("SIGINT twice", "loop", (signal.SIGINT, signal.SIGINT), 10),
)
SEVERAL, TRACED, LEVELS, RELAY = 20, 40, 10, 100
NEW = 3
"""The commits of a new database's schema, made under another name, and the first in the run's own file."""


def plan(passages: Sequence[str], seed: int, *, traced: bool = True) -> list[Scenario]:
    """Return every scenario, in a random order.

    Args:
        passages: What an undisturbed run passes: process, kind, number and place, with tabs between.
        seed: Of all that is drawn.
        traced: The host can trace system calls; without it, none is died on.
    """
    draw = random.Random(seed)  # noqa: S311 (no secret)
    made: list[tuple[str, tuple[Kill, ...], tuple[str, ...]]] = []
    for line in passages:
        process, kind, passage, _ = line.split("\t")
        for when in ("before", "after"):
            if kind == "begin" or (kind == "stage" and when == "after"):
                continue  # nothing lies between these and their neighbours
            for parent in (False,) if process == "loop" else (False, True):
                death = Death(process=process, kind=kind, number=int(passage), when=when, parent=parent)
                made.append((point_group(death), (Kill(death=death),), ()))
    span = len(passages)

    def outside(victim: Victim, signals: tuple[int, ...], most: int = span) -> Kill:
        passed = draw.randrange(most)
        delay_s = draw.uniform(0, 0.6 if passed < 5 else 0.1)
        return Kill(victim=victim, signals=signals, passages=passed, delay_s=delay_s)

    for way in OUTSIDE:
        made += [(way.name, (outside(way.victim, way.signals),), ()) for _ in range(way.count)]
    for _ in range(SEVERAL):
        ways = [draw.choice(OUTSIDE) for _ in range(draw.randint(2, 6))]
        made.append(("several in one run", tuple(outside(way.victim, way.signals, span // 3) for way in ways), ()))
    strikes: tuple[Victim, ...] = ("loop", "tree", "jail", "session")
    for level in ("landlock", "none"):
        for number in range(LEVELS):
            kill = outside(strikes[number % len(strikes)], (signal.SIGKILL,))
            made.append((f"sandbox level {level}", (kill,), (f"sandbox.level={level}",)))
    for number in range(TRACED if traced else 0):
        call = CALLS[number % len(CALLS)]
        made.append(("on a system call", (Kill(call=call, share=draw.random()),), ()))
    first, other = (Kill(death=Death(process="loop", kind="commit", number=n, when="after")) for n in (NEW, 1))
    made.append(("after every commit of one run", (first, *(other,) * RELAY), ()))
    draw.shuffle(made)
    return [
        Scenario(number=number, group=group, kills=kills, settings=settings)
        for number, (group, kills, settings) in enumerate(made, start=1)
    ]


def traceable() -> bool:
    """Return whether this host has strace, and lets it."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def point_group(death: Death) -> str:
    """Return the row of the table for a passage."""
    who = "orchestrator" if death.process == "loop" else "trainer" + (" and orchestrator" if death.parent else "")
    return f"{who}: {death.when} {death.kind}"


class Lane:
    """A process that plays scenarios."""

    def __init__(self, scratch: Path) -> None:
        """Start it below a folder; `ready` waits for it."""
        self.process = subprocess.Popen(
            lane_command(scratch), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise AssertionError("both are pipes")
        self.to_lane, self.from_lane = self.process.stdin, self.process.stdout

    def read(self) -> dict[str, Any]:
        """Return its next message.

        Raises:
            RuntimeError: It has ended.
        """
        line = self.from_lane.readline()
        if not line:
            raise RuntimeError(f"a lane ended with {self.process.wait()}; what it said is above")
        found: dict[str, Any] = json.loads(line)
        return found

    def play(self, scenario: Scenario) -> Outcome:
        """Play one scenario."""
        self.to_lane.write(json.dumps(dataclasses.asdict(scenario)) + "\n")
        self.to_lane.flush()
        return Outcome(**self.read())

    def close(self) -> None:
        """End it."""
        self.to_lane.close()
        self.process.wait()
        self.from_lane.close()


def scripted(wanted: int | None, seed: int, lanes: int, out: Path) -> list[Outcome]:
    """Play scripted scenarios, those that are not in `out` yet; return all outcomes."""
    scratch = Path(tempfile.mkdtemp(prefix="lanes-", dir=out))
    running = [Lane(scratch / f"lane-{number}") for number in range(lanes)]
    first = [lane.read() for lane in running]
    if len({str(message["tables"]) for message in first}) != 1:
        raise RuntimeError("two undisturbed runs differ")
    print(f"undisturbed runs agree; folders looked at besides TMPDIR: {', '.join(first[0]['private']) or 'none'}")
    planned, log = out / "plan.jsonl", out / "scripted.jsonl"
    if not planned.exists():  # the number of passages may differ by a few between two runs
        lines = [
            json.dumps(dataclasses.asdict(scenario))
            for scenario in plan(first[0]["passages"], seed, traced=traceable())
        ]
        planned.write_text("\n".join(lines) + "\n")
    scenarios = [Scenario.of(json.loads(line)) for line in planned.read_text().splitlines()][:wanted]
    done = {outcome.number: outcome for outcome in stored(log)}
    left: Iterator[Scenario] = iter([scenario for scenario in scenarios if scenario.number not in done])
    lock = threading.Lock()
    failed: list[BaseException] = []

    def work(lane: Lane) -> None:
        while not failed:
            with lock:
                scenario = next(left, None)
            if scenario is None:
                return
            try:
                outcome = lane.play(scenario)
            except BaseException as error:  # noqa: BLE001 (raised again by the caller's thread)
                failed.append(error)
                return
            with lock, log.open("a") as stream:
                done[outcome.number] = outcome
                stream.write(json.dumps(dataclasses.asdict(outcome)) + "\n")

    threads = [threading.Thread(target=work, args=(lane,)) for lane in running]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for lane in running:
        lane.close()
    if failed:
        raise failed[0]
    if all(outcome.exact for outcome in done.values()):
        shutil.rmtree(scratch)
    return [done[scenario.number] for scenario in scenarios]


def stored(log: Path) -> list[Outcome]:
    """Return the outcomes that a file holds."""
    return [Outcome(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []


HEAD = f"{'killed':46} {'runs':>5} {'kills':>6} {'identical':>9} {'lost':>5} {'doubled':>7} {'left behind':>11}"


def table(outcomes: Sequence[Outcome], by_place: bool) -> Iterator[str]:
    """Yield the lines of the table: one a group, or one a stage in which a kill came."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        for name in dict.fromkeys(outcome.places) if by_place else (outcome.group,):
            groups[name].append(outcome)
    yield HEAD.replace("killed", "stage ", 1) if by_place else HEAD
    for name, some in [*sorted(groups.items()), *([] if by_place else [("all", list(outcomes))])]:
        kills = sum(outcome.places.count(name) if by_place else len(outcome.places) for outcome in some)
        same = sum(not outcome.lost and not outcome.more and not outcome.wrong for outcome in some)
        lost, more = sum(len(o.lost) for o in some), sum(len(o.more) for o in some)
        yield f"{name:46} {len(some):5} {kills:6} {same:9} {lost:5} {more:7} {sum(len(o.left) for o in some):11}"


def report(outcomes: Sequence[Outcome]) -> int:
    """Print both tables and every scenario that was not exact; return the exit code."""
    for by_place in (False, True):
        print("\n".join(table(outcomes, by_place)), end="\n\n")
    wrong = [outcome for outcome in outcomes if not outcome.exact]
    for outcome in wrong:
        print(f"scenario {outcome.number} ({outcome.group}, in {', '.join(outcome.places)}): codes {outcome.codes}")
        for kind in ("lost", "more", "left", "wrong"):
            print("".join(f"    {kind}: {line}\n" for line in getattr(outcome, kind)[:3]), end="")
    missed = sum(outcome.missed for outcome in outcomes)
    print(f"{missed} kills did not come because the run was done before; they are not counted as kills")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripted", type=int, default=None, help="scripted runs to kill; default: the whole plan")
    parser.add_argument("--real", type=int, default=10, help="kills of runs with the small real model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lanes", type=int, default=2, help="scripted runs at a time")
    parser.add_argument("--out", type=Path, default=Path("runs/chaos"))
    asked = parser.parse_args()
    out = asked.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    code = 0
    if asked.scripted != 0:
        code |= report(scripted(asked.scripted, asked.seed, asked.lanes, out))
    if asked.real:
        code |= chaos_real.kill_and_check(asked.real, asked.seed, out)
    return code


if __name__ == "__main__":
    sys.exit(main())
