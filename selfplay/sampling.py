"""The stages code, tests and judge: from problems to pass matrices.

Requests go to the model all codes first, then all tests; each problem is judged as soon as both are there, while
the model still writes for the others. One problem's replies of one kind, and one problem's matrix, are each one
transaction.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from sandbox import Sandbox
from selfplay import prompts
from selfplay.generate import Answer, Generator, Request
from selfplay.judge import Judgement, judge
from selfplay.pairs import derive_seed
from selfplay.progress import Progress
from selfplay.sections import Generate, Select
from selfplay.snapshot import JudgedProblem
from selfplay.watchdog import Watchdog, some_of
from state.records import Problem, Reply, Sample, Stage, content_id
from state.store import Store

_KINDS = {"code": "code", "test": "tests"}
_STOP = ("\n```",)


def _prefill(problem: Problem, kind: str) -> str:
    """Return what the answer is made to begin with: small models stray less, and nobody pays for their preambles.

    No open bracket after the name: it would split a token that the model knows, and cost right tests.
    """
    return "```python\n" if kind == "code" else f"```python\nassert {problem.entry_point}"


def request(problem: Problem, kind: str, section: Generate, seed: int) -> Request:
    """Return the request for all replies of one kind to one problem."""
    signature, entry_point = problem.signature or "", problem.entry_point or ""
    code = kind == "code"
    return Request(
        id=f"{kind}:{problem.id}",
        messages=prompts.code_messages(problem.prompt, signature)
        if code
        else prompts.test_messages(problem.prompt, signature, entry_point, count=section.tests),
        n=section.codes if code else section.test_replies,
        temperature=section.temperature,
        top_p=section.top_p,
        max_tokens=section.code_max_tokens if code else section.test_max_tokens,
        seed=seed,
        prefill=_prefill(problem, kind),
        stop=_STOP,
    )


def read_answer(
    answer: Answer, problem: Problem, round_id: str, asked: Request, limit: int
) -> tuple[list[Reply], list[Sample]]:
    """Turn an answer into rows: its replies as they came, and the codes or tests parsed out of them.

    A code equal to an earlier one of the problem, up to comments and layout, is a "duplicate"; so is a test. Tests past
    `limit` are "surplus".
    """
    kind = answer.request_id.partition(":")[0]
    replies: list[Reply] = []
    samples: list[Sample] = []
    seen: set[str] = set()
    usable = 0
    for position, completion in enumerate(answer.completions):
        reply = Reply(
            id=content_id(round_id, problem.id, kind, position),
            round_id=round_id,
            problem_id=problem.id,
            kind=kind,
            position=position,
            seed=asked.seed or 0,
            text=asked.prefill + completion.text,
            prompt_tokens=answer.prompt_tokens,
            tokens=completion.tokens,
            finish_reason=completion.finish_reason,
        )
        replies.append(reply)
        parsed: Sequence[prompts.ParsedCode | prompts.ParsedTest]
        if kind == "code":
            parsed = [prompts.parse_code(reply.text, problem.entry_point or "")]
        else:
            parsed = prompts.parse_tests(reply.text, problem.entry_point or "", limit)
        for index, part in enumerate(parsed):
            defect = part.defect
            if defect is None:
                normal = prompts.normalise(part.source)
                if normal in seen:
                    defect = "duplicate"
                elif kind == "test" and usable >= limit:
                    defect = "surplus"
                else:
                    usable += 1
                seen.add(normal)
            samples.append(
                Sample(
                    id=content_id(reply.id, index),
                    reply_id=reply.id,
                    round_id=round_id,
                    problem_id=problem.id,
                    kind=kind,
                    position=index,
                    source=part.source,
                    defect=defect,
                )
            )
    return replies, samples


class Sampler:
    """Asks the model for what a round still lacks, and judges it."""

    def __init__(
        self,
        store: Store,
        box: Sandbox,
        *,
        round_id: str,
        seeds: tuple[int, int],
        generate: Generate,
        select: Select,
        progress: Progress,
        watchdog: Watchdog,
    ) -> None:
        self.store, self.box, self.round_id = store, box, round_id
        self.seeds, self.generate, self.select, self.progress = seeds, generate, select, progress
        self.watchdog = watchdog
        self.model_s = self.sandbox_s = 0.0
        """Seconds spent waiting for the model, and for nothing but the sandbox."""
        self._problems: dict[str, Problem] = {}

    def missing(self, problems: Sequence[Problem]) -> tuple[list[Request], list[Problem]]:
        """Return the requests still to be asked, and the answered problems still to be judged."""
        answered = {kind: self.store.answered(self.round_id, kind) for kind in _KINDS}
        judged = self.store.judged(self.round_id)
        requests = [
            request(problem, kind, self.generate, self._seed(problem, kind))
            for kind in _KINDS
            for problem in problems
            if problem.id not in answered[kind]
        ]
        ready = [p for p in problems if p.id not in judged and all(p.id in answered[kind] for kind in _KINDS)]
        return requests, ready

    def run(self, problems: Sequence[Problem], serve: Callable[[], Generator]) -> None:
        """Sample and judge everything that is missing; a model is served only if something is left to write.

        Raises:
            StopRequested: Between two units of work.
            StageFailed: The model process cannot be kept alive.
            sandbox.SandboxError: The sandbox cannot be kept alive.
        """
        self._problems = {problem.id: problem for problem in problems}
        requests, ready = self.missing(problems)
        self._begin(problems, requests)
        pending: set[Future[Judgement]] = set()
        pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="judge")
        try:
            pending |= {self._judge(pool, problem) for problem in ready}
            if requests:
                for answer in self._answers(serve, requests):
                    problem = self._take(answer, requests)
                    if all(problem.id in self.store.answered(self.round_id, kind) for kind in _KINDS):
                        pending.add(self._judge(pool, problem))
                    pending = self._collect(pending, block=False)
                    self.progress.check_stop()
            while pending:
                pending = self._collect(pending, block=True)
                self.progress.check_stop()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def stages(self, begun: str, canary: str | None, peak_rss_bytes: int | None) -> list[Stage]:
        """Return the rows of the three stages, which overlap: the model's time is shared out by tokens.

        Args:
            begun: When the first of them began, UTC.
            canary: The engine's answer to its fixed prompt.
            peak_rss_bytes: Largest memory of the process tree meanwhile.
        """
        counters = [self.progress.stages[name] for name in ("code", "tests", "judge")]
        written = sum(each.tokens for each in counters)
        walls: dict[str, float] = {}
        for each in counters:  # an overlap counts for the earlier stage, so that the times add up
            walls[each.name] = max(0.0, each.wall_s - sum(walls.values()))
        return [
            Stage(
                id=content_id(self.round_id, "stage", each.name),
                round_id=self.round_id,
                name=each.name,
                started_at=begun,
                wall_s=walls[each.name],
                model_s=None if each.name == "judge" else self.model_s * each.tokens / max(1, written),
                sandbox_s=self.sandbox_s if each.name == "judge" else None,
                tokens=None if each.name == "judge" else each.tokens,
                executions=each.executions if each.name == "judge" else None,
                peak_rss_bytes=peak_rss_bytes,
                detail=json.dumps({"canary": canary}) if each.name == "code" else None,
            )
            for each in counters
        ]

    def _begin(self, problems: Sequence[Problem], requests: Sequence[Request]) -> None:
        for kind, stage in _KINDS.items():
            left = sum(1 for asked in requests if asked.id.startswith(f"{kind}:"))
            self.progress.begin(stage, len(problems), "problems", len(problems) - left)
            if not left:
                self.progress.end(stage)
        self.progress.begin("judge", len(problems), "problems", len(self.store.judged(self.round_id)))

    def _answers(self, serve: Callable[[], Generator], requests: Sequence[Request]) -> Iterable[Answer]:
        waiting = time.monotonic()
        for answer in serve().generate(requests, on_progress=self.progress.wrote):
            self.model_s += time.monotonic() - waiting
            yield answer
            waiting = time.monotonic()

    def _take(self, answer: Answer, requests: Sequence[Request]) -> Problem:
        kind, _, problem_id = answer.request_id.partition(":")
        problem = self._problems[problem_id]
        asked = next(item for item in requests if item.id == answer.request_id)
        replies, samples = read_answer(answer, problem, self.round_id, asked, self.generate.tests)
        with self.store.transaction():
            self.store.add(*replies, *samples)
        counters = self.progress.stages[_KINDS[kind]]
        counters.done += 1
        counters.tokens += sum(reply.tokens for reply in replies)
        if counters.done == counters.total:
            self.progress.end(_KINDS[kind], f"{counters.tokens} tokens")
        return problem

    def _judge(self, pool: ThreadPoolExecutor, problem: Problem) -> Future[Judgement]:
        codes = self.store.samples_of(self.round_id, problem.id, "code")
        tests = self.store.samples_of(self.round_id, problem.id, "test")

        seed = self._seed(problem, "judge")
        return pool.submit(
            judge, self.box, problem, codes, tests, round_id=self.round_id, seed=seed, section=self.select
        )

    def _collect(self, pending: set[Future[Judgement]], *, block: bool) -> set[Future[Judgement]]:
        if block:
            waiting = time.monotonic()
            finished = some_of(pending, self.box, self.watchdog.execution_s)
            self.sandbox_s += time.monotonic() - waiting
        else:
            finished = {future for future in pending if future.done()}
        for future in finished:
            judgement = future.result()
            with self.store.transaction():
                self.store.add(*judgement.executions, judgement.matrix)
            counters = self.progress.stages["judge"]
            counters.done += 1
            counters.executions += len(judgement.executions)
            matrix = judgement.matrix
            name = self._problems[matrix.problem_id].entry_point or matrix.problem_id
            self.progress.judged = JudgedProblem(name=name, passed=tuple(json.loads(matrix.passed)))
        return pending - finished

    def _seed(self, problem: Problem, purpose: str) -> int:
        return derive_seed(*self.seeds, problem.id, purpose) % 2**31
