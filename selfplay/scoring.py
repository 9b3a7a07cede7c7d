"""The benchmark stage: what a set of weights scores on every benchmark.

Scores belong to (weights, benchmark, decoding), not to a round: a champion is never scored twice. Each answered task is
executed while the model writes the next ones, and stored as it comes back. Gate benchmarks come first, each in its
published order, then audit benchmarks, so that scoring can stop where the gate has seen enough. Tasks that this host
cannot score are left out, for champion and candidate alike (ground_truth.py).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sandbox import Sandbox, Status
from selfplay import ground_truth
from selfplay.benchmark_task import Task, extract
from selfplay.engines import Engines, Weights
from selfplay.gate import BenchmarkResult
from selfplay.generate import Answer, Request
from selfplay.grading import WORKERS, Grader
from selfplay.pairs import derive_seed
from selfplay.progress import Progress
from selfplay.sections import Benchmark
from selfplay.watchdog import Watchdog, some_of
from state.records import Score, content_id
from state.store import Store

log = logging.getLogger(__name__)

Enough = Callable[[Sequence[Score]], bool]
"""Told of new scores, says whether scoring may stop."""


def decoding(section: Benchmark) -> str:
    """Return the settings that a score depends on, as canonical JSON."""
    return json.dumps(
        {
            "max_tokens": section.max_tokens,
            "samples": section.samples,
            "temperature": section.temperature,
            "wall_s": section.wall_s,
        },
        sort_keys=True,
    )


class Scorer:
    """Answers and executes the benchmark tasks that have no score yet."""

    def __init__(
        self,
        store: Store,
        box: Sandbox,
        section: Benchmark,
        tasks: Mapping[str, Sequence[Task]],
        seed: int,
        progress: Progress,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.store, self.section, self.seed, self.progress = store, section, seed, progress
        self.asked = tasks
        self.tasks = dict(tasks)
        """Tasks that this host can score; all that were asked for, until `prepare`."""
        self.grader = Grader(box, section.wall_s)
        self.watchdog = watchdog or Watchdog()
        self.prepared = False
        self.decoding = decoding(section)
        self.model_s = self.sandbox_s = 0.0
        """Seconds of this round spent waiting for the model, and for nothing but the sandbox."""
        self.wall_s = 0.0

    def prepare(self) -> None:
        """Leave out the tasks that this host cannot score; what an earlier start found out is not run again.

        Raises:
            StopRequested: Between two tasks.
            HostError: A benchmark of which nothing can be scored.
            sandbox.SandboxError: The sandbox cannot be kept alive.
        """
        if self.prepared:
            return
        for name, tasks in self.asked.items():
            self.progress.message = f"checking what of {name} can be scored here"
            self.tasks[name] = ground_truth.scorable(
                self.store, self.grader, name, tasks, check_stop=self.progress.check_stop
            )
        self.progress.message = ""
        self.prepared = True

    def close(self) -> None:
        """End the sandboxes."""
        self.grader.close()

    def missing(self, weights_id: str) -> dict[str, list[Task]]:
        """Return the tasks of each benchmark that lack a score for these weights."""
        left: dict[str, list[Task]] = {}
        for name, tasks in self.tasks.items():
            scores = self.store.scores(weights_id, name, self.decoding)
            have: dict[str, int] = {}
            for score in scores:
                have[score.task_id] = have.get(score.task_id, 0) + 1
            left[name] = [task for task in tasks if have.get(task.id, 0) < self.section.samples]
        return left

    def run(self, weights: Weights, engines: Engines, enough: Enough = lambda _: False) -> None:
        """Score `weights` on everything that is missing; starts a model only if something is.

        Args:
            weights: What is scored.
            engines: Starts the model.
            enough: Told of new scores as they are stored, and of none before each benchmark role; True ends the
                scoring, and drops the tasks in flight.

        Raises:
            StopRequested: Between two tasks.
            StageFailed: The model process cannot be kept alive.
            sandbox.SandboxError: The sandbox cannot be kept alive.
        """
        missing = self.missing(weights.id)
        begun = time.monotonic()
        counters = self.progress.stages["benchmark"]
        try:
            for names in self._groups():
                left = {f"{name}:{task.id}": task for name in names for task in missing[name]}
                if enough(()) or self._run(weights, engines, left, enough):
                    counters.total = counters.done
                    return
        finally:
            self.wall_s += time.monotonic() - begun

    def _groups(self) -> tuple[list[str], list[str]]:
        """Return the names of gate and of audit benchmarks."""
        gates = [name for name in self.tasks if name in self.section.gate]
        return gates, [name for name in self.tasks if name not in gates]

    def order(self) -> list[tuple[str, str]]:
        """Return (benchmark, task id) of every gate task, in the order in which they are asked."""
        return [(name, task.id) for name in self._groups()[0] for task in self.tasks[name]]

    def _run(self, weights: Weights, engines: Engines, left: Mapping[str, Task], enough: Enough) -> bool:
        """Score tasks; return whether `enough` ended it before all were done."""
        if not left:
            return False
        counters = self.progress.stages["benchmark"]
        requests = [self._request(key, task) for key, task in left.items()]
        pending: set[Future[tuple[Score, ...]]] = set()
        pool = ThreadPoolExecutor(max_workers=WORKERS, thread_name_prefix="score")
        try:
            waiting = time.monotonic()
            for answer in engines.serving(weights).generate(requests, on_progress=self.progress.wrote):
                self.model_s += time.monotonic() - waiting
                counters.tokens += sum(completion.tokens for completion in answer.completions)
                pending.add(pool.submit(self._execute, weights.id, left[answer.request_id], answer))
                finished = {future for future in pending if future.done()}
                pending -= finished
                if self._store(finished, enough):
                    return True
                self.progress.check_stop()
                waiting = time.monotonic()
            while pending:
                waiting = time.monotonic()
                finished = some_of(pending, self.grader, self.watchdog.execution_s)
                pending -= finished
                self.sandbox_s += time.monotonic() - waiting
                if self._store(finished, enough):
                    return True
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return False

    def _request(self, key: str, task: Task) -> Request:
        return Request(
            id=key,
            messages=task.messages,
            n=self.section.samples,
            temperature=self.section.temperature,
            top_p=1.0,
            max_tokens=self.section.max_tokens,
            seed=derive_seed(self.seed, key) % 2**31 if self.section.temperature > 0 else None,
            prefill=task.prefill,
            stop=task.stop,
        )

    def _execute(self, weights_id: str, task: Task, answer: Answer) -> tuple[Score, ...]:
        scores = []
        for position, completion in enumerate(answer.completions):
            source = extract(task, completion.text)
            verdict = self.grader.run(task, source)
            scores.append(
                Score(
                    id=content_id(weights_id, task.benchmark, self.decoding, task.id, position),
                    weights_id=weights_id,
                    benchmark=task.benchmark,
                    decoding=self.decoding,
                    task_id=task.id,
                    position=position,
                    reply=completion.text,
                    source=source,
                    passed=verdict.status is Status.PASSED,
                    status=verdict.status.value,
                    trust=verdict.trust,
                    tokens=completion.tokens,
                    wall_s=verdict.wall_s,
                )
            )
        return tuple(scores)

    def _store(self, finished: Collection[Future[tuple[Score, ...]]], enough: Enough) -> bool:
        """Store finished tasks; return whether that is enough."""
        if not finished:
            return False
        scores = [score for future in finished for score in future.result()]
        with self.store.transaction():
            self.store.add(*scores)
        counters = self.progress.stages["benchmark"]
        counters.done += len(finished)
        counters.executions += len(finished)
        return enough(scores)

    def summary(self, weights_id: str) -> tuple[tuple[str, int, int, int], ...]:
        """Return (benchmark, samples passed, samples scored, tasks left out) where these weights have scores."""
        found = []
        for name, tasks in self.tasks.items():
            scores = self._scores(weights_id, name)
            if scores:
                left_out = len(self.asked[name]) - len(tasks)
                found.append((name, sum(score.passed for score in scores), len(scores), left_out))
        return tuple(found)

    def results(self, champion: Weights, candidate: Weights) -> list[BenchmarkResult]:
        """Return the per-task results of both, paired, as the gate reads them."""
        return [
            BenchmarkResult(
                name=name,
                role="gate" if name in self.section.gate else "audit",
                champion=self._outcomes(champion.id, name),
                candidate=self._outcomes(candidate.id, name),
                tasks=len(tasks),
            )
            for name, tasks in self.tasks.items()
        ]

    def _outcomes(self, weights_id: str, benchmark: str) -> dict[str, tuple[bool, ...]]:
        outcomes: dict[str, tuple[bool, ...]] = {}
        for score in self._scores(weights_id, benchmark):
            outcomes[score.task_id] = (*outcomes.get(score.task_id, ()), score.passed)
        return outcomes

    def _scores(self, weights_id: str, benchmark: str) -> list[Score]:
        """Return the scores that count: those of tasks that can be scored here."""
        counted = {task.id for task in self.tasks[benchmark]}
        scores = self.store.scores(weights_id, benchmark, self.decoding)
        return [score for score in scores if score.task_id in counted]
