"""Which benchmark tasks this host can score: those whose own right program passes here.

Before a benchmark is used, the published right program of each of its tasks is run once as if a model had written it.
A task whose program fails (it needs a package, a file or more memory than the sandbox gives) would fail every model,
and is left out of every score; how many were stands beside the score. The outcomes are kept in the run's database and
hold as long as task, sandbox and Python stay the same. What a passed test notes (the hashes of the right results of
EvalPlus tasks) is kept with them, and makes grading quicker.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import sandbox
from sandbox import Status
from selfplay.benchmark import data_sha256
from selfplay.benchmark_task import Task, extract
from selfplay.errors import HostError
from selfplay.grading import WORKERS, Grader
from selfplay.session import now
from state.records import GroundTruth, content_id
from state.store import Store

log = logging.getLogger(__name__)

UNAVAILABLE = "unavailable"


def scorable(
    store: Store, grader: Grader, name: str, tasks: Sequence[Task], check_stop: Callable[[], None]
) -> tuple[Task, ...]:
    """Return the tasks of a benchmark whose right programs pass here, running those that are not known yet.

    Args:
        store: Where outcomes are kept.
        grader: What runs the programs.
        name: The benchmark.
        tasks: All its tasks.
        check_stop: Called between tasks; may raise.

    Raises:
        HostError: Not one program passes.
        sandbox.SandboxError: The host failed twice at one program.
    """
    host = host_facts(grader)
    hashes = {task.id: data_sha256([task]) for task in tasks}
    known = {(found.task_id, found.task_sha256): found for found in store.ground_truths(name, host)}
    unknown = [task for task in tasks if (task.id, hashes[task.id]) not in known]
    if unknown:
        log.info("%s: running the right programs of %d tasks to see which can be scored here", name, len(unknown))
    for finished in _run(grader, unknown, hashes, host):
        with store.transaction():
            store.add(*finished)
        known |= {(found.task_id, found.task_sha256): found for found in finished}
        check_stop()
    kept = tuple(task for task in tasks if known[task.id, hashes[task.id]].passed)
    for task in kept:
        grader.learn(task, known[task.id, hashes[task.id]].detail)
    if tasks and not kept:
        raise HostError(
            f"{name}: not one of the {len(tasks)} right programs passes in this sandbox; see the table ground_truths"
        )
    if unknown and len(kept) < len(tasks):
        log.info("%s: %d of %d tasks cannot be scored here and are left out", name, len(tasks) - len(kept), len(tasks))
    return kept


def host_facts(grader: Grader) -> str:
    """Return what outcomes depend on besides the task, as canonical JSON."""
    return json.dumps(
        {
            "level": grader.level,
            "libraries": list(grader.libraries),
            "memory_bytes": grader.limits.memory_bytes,
            "python": platform.python_version(),
            "sandbox": sandbox_sha256(),
            "wall_s": grader.longest_s,
        },
        sort_keys=True,
    )


@cache
def sandbox_sha256() -> str:
    """Return a hash over the sandbox's source files."""
    folder = Path(sandbox.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _run(grader: Grader, tasks: Iterable[Task], hashes: dict[str, str], host: str) -> Iterable[tuple[GroundTruth, ...]]:
    """Yield outcomes as they come, some at a time."""

    def one(task: Task) -> GroundTruth:
        passed, status, detail, wall_s = _outcome(grader, task)
        return GroundTruth(
            id=content_id(task.benchmark, task.id, hashes[task.id], host),
            benchmark=task.benchmark,
            task_id=task.id,
            task_sha256=hashes[task.id],
            host=host,
            checked_at=now(),
            passed=passed,
            status=status,
            detail=detail,
            wall_s=wall_s,
        )

    with ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="truth") as pool:
        pending: set[Future[GroundTruth]] = {pool.submit(one, task) for task in tasks}
        try:
            while pending:
                done, pending = wait(pending, timeout=1.0, return_when="FIRST_COMPLETED")
                yield tuple(future.result() for future in done)
        finally:
            for future in pending:
                future.cancel()


def _outcome(grader: Grader, task: Task) -> tuple[bool, str, str, float]:
    if task.needs:
        return False, UNAVAILABLE, f"the sandbox does not have {', '.join(task.needs)}", 0.0
    verdict = grader.run(task, extract(task, task.canonical))
    if verdict.status is Status.TIMEOUT:  # this is asked once and holds for good: the host may have been busy
        verdict = grader.run(task, extract(task, task.canonical))
    passed = verdict.status is Status.PASSED
    detail = "" if passed and verdict.trust != "split" else verdict.detail  # a note counts from where no answer was
    return passed, verdict.status.value, detail, verdict.wall_s
