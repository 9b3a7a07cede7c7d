"""The small real model, killed: vLLM, TRL, bitsandbytes, the sandbox, and the command that a user types.

A run of one round is killed six times, twice in each of three stages and each time in another way, and finished by the
same command. A model's samples may differ between two starts (which requests are decoded together decides how sums are
rounded), so that a killed run is not compared with an undisturbed one: what must hold in either is checked
(invariants.py), every stored pair is executed again (`verify`), and nothing may be left behind after any end. One thing
stays until the next start: OpenMP's note of a kilobyte in shared memory, of a model process that was killed together
with the loop that would have removed it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from bench.invariants import violations
from tests.chaos_lane import in_namespaces, mask
from tests.leftovers import orphans_adopted
from tests.real_round import command, write_problems
from tests.remains import left_behind, seen

ROOT = Path(__file__).resolve().parent.parent
STAGES = tuple(
    (f"{name} begins", most_s)
    for name, most_s in (("code", 30.0), ("train", 15.0), ("benchmark", 15.0))
    for _ in range(2)
)
"""Line of the log after which a kill comes, and how many seconds later at most."""
WAYS = (
    ("SIGKILL of everything at once", "tree", signal.SIGKILL),
    ("SIGKILL of the orchestrator", "loop", signal.SIGKILL),
    ("SIGKILL of a model process", "worker", signal.SIGKILL),
    ("SIGKILL of a jail", "jail", signal.SIGKILL),
    ("SIGTERM", "loop", signal.SIGTERM),
    ("SIGINT", "loop", signal.SIGINT),
)
NOTE = "__KMP_REGISTERED_LIB_"
END_S = 1500.0
STARTS = 12


@dataclass(slots=True, kw_only=True)
class Real:
    """What became of one run."""

    name: str
    kills: list[str] = field(default_factory=list)
    """Each way and where it came."""
    codes: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Invariants that do not hold."""
    left: list[str] = field(default_factory=list)
    """What was left behind after an end."""
    until_next: list[str] = field(default_factory=list)
    """What a killed loop left and the next start removed: OpenMP's notes."""
    pairs: str = ""
    """What `verify` said."""
    wall_s: float = 0.0


class Command:
    """One start of the command."""

    def __init__(self, line: Sequence[str], log: Path, screen: Path) -> None:
        self.log, self.seen_bytes = log, log.stat().st_size if log.exists() else 0
        with screen.open("ab") as sink:
            self.process = subprocess.Popen(line, cwd=ROOT, stdout=sink, stderr=sink, start_new_session=True)
        self.deadline = time.monotonic() + END_S

    def wait_for(self, text: str) -> bool:
        """Wait until this start has logged a text; return whether it did before it ended."""
        while self.process.poll() is None and time.monotonic() < self.deadline:
            with contextlib.suppress(OSError), self.log.open("rb") as stream:
                stream.seek(self.seen_bytes)
                if text.encode() in stream.read():
                    return True
            time.sleep(0.05)
        return False

    def strike(self, victim: str, number: int, draw: random.Random) -> bool:
        """Send a signal to the victim; return whether there was one."""
        struck = [self.process.pid]
        with contextlib.suppress(psutil.NoSuchProcess):
            below = psutil.Process(self.process.pid).children(recursive=True)
            lines = {}
            for process in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    lines[process.pid] = " ".join(process.cmdline())
            workers = [pid for pid, line in lines.items() if "--channel" in line]
            if victim == "worker":
                struck = [draw.choice(workers)] if workers else []
            elif victim == "jail":
                jails = [pid for pid in lines if pid not in workers]
                struck = [draw.choice(jails)] if jails else []
            elif victim == "tree":
                struck = [*struck, *lines]
        for pid in struck:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        return bool(struck)


def play(
    name: str,
    kills: Sequence[tuple[str, float, tuple[str, str, int]]],
    runs: Path,
    private: Sequence[str],
    draw: random.Random,
) -> Real:
    """Play one run to its end."""
    line = command(runs, name, write_problems(runs / "easy.jsonl"))
    found, left, began = Real(name=name), list(kills), time.monotonic()
    before = seen(private)
    for _ in range(STARTS):
        start = Command(line, runs / name / "logs" / "run.log", runs / f"{name}.screen")
        while left:
            text, most_s, (way, victim, number) = left[0]
            if not start.wait_for(text):
                break
            time.sleep(draw.uniform(0, most_s))
            if start.process.poll() is not None or not start.strike(victim, number, draw):
                break
            found.kills.append(f"{way}, {text}")
            left.pop(0)
            if victim in ("loop", "tree"):
                break
        try:
            code = start.process.wait(max(1.0, start.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            start.process.kill()
            code = start.process.wait()
            found.broken.append(f"a start did not end within {END_S:.0f} s")
        found.codes.append(code)
        left_now = left_behind(runs / name, before, private)
        notes = [line for line in left_now if NOTE in line and code != 0]
        found.until_next += notes
        found.left += [line for line in left_now if line not in notes]
        if code == 0 and finished(runs / name):
            break
    found.broken += violations(runs / name)
    verify = [sys.executable, "run_loop.py", "verify", "--runs-dir", str(runs), "--run", name]
    done = subprocess.run(verify, cwd=ROOT, capture_output=True, text=True, check=False)
    found.pairs = (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]
    if done.returncode != 0:
        found.broken.append(f"verify ended with {done.returncode}")
    found.wall_s = time.monotonic() - began
    return found


def finished(folder: Path) -> bool:
    """Return whether the run's only round is finished."""
    from state.records import Round
    from state.store import Store

    with Store.open(folder / "run.db", read_only=True) as store:
        return any(round_.finished_at is not None for round_ in store.all(Round))


def kill_and_check(wanted: int, seed: int, out: Path) -> int:
    """Play runs until there are `wanted` kills, in namespaces where there are any; return the exit code."""
    line = [sys.executable, "-m", "bench.chaos_real", str(wanted), str(seed), str(out)]
    return subprocess.run(in_namespaces(line), cwd=ROOT, check=False).returncode


def main(wanted: int, seed: int, out: Path) -> int:
    """Play and print."""
    private = mask(out)
    os.environ["TMPDIR"] = str(out / "real-tmp")
    (out / "real-tmp").mkdir(exist_ok=True)
    runs, log = out / "real", out / "real.jsonl"
    runs.mkdir(exist_ok=True)
    done = [Real(**json.loads(row)) for row in log.read_text().splitlines()] if log.exists() else []
    ways = list(WAYS) * (wanted // len(WAYS) + 2)
    draw = random.Random(seed)  # noqa: S311 (no secret)
    draw.shuffle(ways)
    with orphans_adopted():
        while sum(len(real.kills) for real in done) < wanted:
            number = len(done)
            kills = [(*stage, ways[(len(STAGES) * number + i) % len(ways)]) for i, stage in enumerate(STAGES)]
            real = play(f"real-{number + 1}", kills, runs, private, draw)
            done.append(real)
            with log.open("a") as stream:
                stream.write(json.dumps(asdict(real)) + "\n")
    print(f"{'run':8} {'kills':>5} {'starts':>6} {'broken':>6} {'left behind':>11} {'minutes':>7}")
    for real in done:
        print(
            f"{real.name:8} {len(real.kills):5} {len(real.codes):6} {len(real.broken):6} {len(real.left):11} "
            f"{real.wall_s / 60:7.1f}"
        )
        for text in (*real.kills, real.pairs, *real.broken, *real.left):
            print(f"    {text}")
        print(f"    {len(real.until_next)} notes of OpenMP stayed until the next start")
    return int(any(real.broken or real.left for real in done))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
