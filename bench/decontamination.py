"""What decontamination finds of planted copies of the benchmarks, and what it takes for one wrongly.

    [SELFPLAY_DATA_DIR=FOLDER] python -m bench.decontamination [--show 3]

Every task of every benchmark at hand is planted among the built-in problems as a copy of each kind (planting.py), with
its signature and solution and as a bare prompt. Without a data folder that is HumanEval alone.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence

from bench.planting import KINDS, copies
from selfplay import benchmark, problems
from selfplay.benchmark_task import Task
from selfplay.decontaminate import overlaps
from selfplay.errors import UserError


def load() -> dict[str, tuple[Task, ...]]:
    """Return the tasks of every benchmark whose data can be found."""
    found = {}
    for name in benchmark.BENCHMARKS:
        try:
            found[name] = benchmark.load(name)
        except UserError as error:
            print(f"without {name}: {error}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--show", type=int, default=0, help="print so many missed copies of each kind")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    benchmarks = load()
    builtin = list(problems.load("builtin"))
    for name, tasks in benchmarks.items():
        print(f"\n{name}: {len(tasks)} tasks\n  {'planted':<26}{'caught':>14}   by")
        for kind in KINDS:
            for bare in (False, True):
                planted = {task.id: copies(task, kind=kind, bare=bare) for task in tasks}
                found = overlaps([*builtin, *planted.values()], tasks)
                by = Counter(found[each.id].partition(":")[0] for each in planted.values() if each.id in found)
                what = f"{kind}, bare prompt" if bare else kind
                listed = ", ".join(f"{test} {count}" for test, count in by.most_common())
                print(f"  {what:<26}{by.total():>5} {by.total() / len(tasks):>7.1%}    {listed}", flush=True)
                missed = [task_id for task_id, each in planted.items() if each.id not in found]
                for task_id in missed[: options.show]:
                    print(f"      missed: {task_id}: {planted[task_id].prompt[:300]!r}")
        false = overlaps(builtin, tasks)
        print(f"  false alarms: {len(false)} of {len(builtin)} built-in problems")
        for problem_id, reason in false.items():
            print(f"      {problem_id}: {reason}")
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
