"""Benchmarks by name, and pass@k.

A task carries all that scoring needs: what to ask (`messages`, `prefill`, `stop`), how to turn the reply into a program
(`extract`), the test that the sandbox runs against it and the time it may take. Data files are pinned by hash: a score
always means the same tasks. What each benchmark's own protocol is, and how well this grader agrees with the official
ones, is in docs/benchmarks.md. Deviations from the published harnesses, each towards a stricter or plainer reading:

1. HumanEval is asked as a chat with a prefilled answer, as EvalPlus does; the 2021 paper completed bare prompts.
2. The imports and helper functions of a HumanEval prompt (`poly`, `encode_cyclic`, `encode_shift`) are part of every
   program, the helpers after the reply's code: the tests call them, so a reply must not be able to redefine them.
   EvalPlus asks for a script that has them itself.
3. Top-level statements that the entry point does not need are left out (`selfplay.prompts.parse_code`).
4. Sanitized MBPP shows the first of the asserts it is scored by, as MBPP+ does; MBPP shows all, as its paper does.
5. MBPP's examples and question are one message of a chat; the paper completed a text.
6. A reply also ends at a fence that no newline follows, where EvalPlus and BigCodeBench ask for one.
7. The sandbox has the standard library alone. A program that imports a third-party package fails.
8. Values cross from the program to the test as plain data: an object of a class of the program's own (a namedtuple, a
   view of a dictionary) equals no plain value, though it might have where both are in one process.
9. Memory is limited as `sandbox.memory_bytes` says; EvalPlus allows 4 GiB, BigCodeBench 30. Time for one task is
   limited by `benchmark.wall_s`, however much the benchmark's own rules would allow.
10. What may not happen in the sandbox at all (files, processes, sockets) fails, and so do BigCodeBench's tasks that are
    about it; those are among the tasks left out.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from selfplay import benchmark_basic, bigcodebench, evalplus
from selfplay.benchmark_files import DATA_DIR_VARIABLE
from selfplay.benchmark_task import Task
from selfplay.errors import UserError

BENCHMARKS: dict[str, Callable[[Path | None], Iterator[Task]]] = {
    "humaneval": benchmark_basic.humaneval,
    "humaneval_plus": evalplus.humaneval_plus,
    "mbpp": benchmark_basic.mbpp,
    "mbpp_sanitized": benchmark_basic.mbpp_sanitized,
    "mbpp_plus": evalplus.mbpp_plus,
    "bigcodebench_complete": bigcodebench.complete,
    "bigcodebench_instruct": bigcodebench.instruct,
    "bigcodebench_hard_complete": bigcodebench.hard_complete,
    "bigcodebench_hard_instruct": bigcodebench.hard_instruct,
}
"""Name -> loader of the tasks, given the user's folder of files."""


def load(name: str, *, data_dir: Path | None = None, limit: int | None = None) -> tuple[Task, ...]:
    """Return the tasks of a benchmark, in the published order.

    Args:
        name: A key of `BENCHMARKS`.
        data_dir: Folder with data files; None is the folder that SELFPLAY_DATA_DIR names, if any.
        limit: Only the first tasks; None is all.

    Raises:
        UserError: Unknown benchmark, or its data file is missing or not the published one.
    """
    loader = BENCHMARKS.get(name)
    if loader is None:
        raise UserError(f"unknown benchmark {name!r}; known are {', '.join(sorted(BENCHMARKS))}")
    return tuple(loader(data_dir if data_dir is not None else _folder_of_environment()))[:limit]


def pass_at_k(n: int, c: int, k: int) -> float:
    """Estimate the chance that at least one of k samples is right.

    Args:
        n: Samples drawn for the task.
        c: Samples that passed, 0 <= c <= n.
        k: Samples a user would draw, 1 <= k <= n.

    Returns:
        Unbiased estimate in [0, 1].

    Raises:
        ValueError: Counts out of range; for k > n there is no estimator.

    Source: Chen et al. 2021, arXiv:2107.03374, eq. 1; with exact binomials instead of the paper's running product.
    """
    if not 0 <= c <= n:
        raise ValueError(f"{c} right of {n} samples: not a count")
    if not 1 <= k <= n:
        raise ValueError(f"pass@{k} has no estimator for {n} samples")
    return 1.0 - math.comb(n - c, k) / math.comb(n, k)


def data_sha256(tasks: Sequence[Task]) -> str:
    """Return a hash over everything that is asked and scored, in order."""
    return hashlib.sha256(json.dumps([asdict(task) for task in tasks], sort_keys=True).encode()).hexdigest()


def _folder_of_environment() -> Path | None:
    named = os.environ.get(DATA_DIR_VARIABLE)
    return Path(named).expanduser() if named else None
