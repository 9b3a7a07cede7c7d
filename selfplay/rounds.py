"""The stages of a round, and what is still missing of each.

Every stage does the same three things: read from the store what is missing, compute it, write it in one transaction.
Running a finished stage again is therefore free, and running a killed one again completes it: there is no resume flag.

Stages in the order in which they run. The champion's engine is up once, for its samples and (where they are missing)
its scores; it ends before training, so that a GPU holds one model at a time; the candidate's engine goes on into the
next round when the candidate is promoted.

Not covered here: what a worker does when it runs out of memory (generate.py, train.py) and who owns a run (session.py).
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from sandbox import Sandbox
from selfplay import learning, problems, prompts, retention, track_rounds
from selfplay.abandon import STAGE_CANNOT_END, abandon, stop_after_too_many
from selfplay.contest import Contest, promotion
from selfplay.engines import Engines, Weights
from selfplay.errors import DiskFailed, HostError
from selfplay.generate import Request
from selfplay.learning import Trainer
from selfplay.ledger import Ledger
from selfplay.pairing import make_pairs
from selfplay.progress import Progress
from selfplay.room import Room
from selfplay.sampling import Sampler
from selfplay.scoring import Scorer
from selfplay.session import Session, now
from selfplay.train import adapter_sha256
from state.records import Adapter, Matrix, Pair, Problem, Promotion, Round, Sample, Stage, content_id

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What the loop works with: everything slow, hostile or large, behind a seam each."""

    engines: Engines
    train: Trainer
    box: Sandbox
    peak_memory: Callable[[], int | None] = lambda: None
    """Largest memory of the process tree since the last call, bytes."""


class Loop:
    """The stages of one run."""

    def __init__(self, session: Session, tools: Tools, progress: Progress) -> None:
        self.session, self.tools, self.progress = session, tools, progress
        self.config, self.store, self.room = session.config, session.store, Room(session)
        section, watchdog = self.config.benchmark, self.config.watchdog
        self.ledger = Ledger(self.store, progress, tools.peak_memory, self._show)
        self.scorer = Scorer(self.store, tools.box, section, session.tasks, self.config.seed, progress, watchdog)
        self._intact: set[str] = set()
        """Adapters whose files have been compared with their rows."""
        self.contest = Contest(self.store, self.scorer, self.config.gate)

    # -- rounds -------------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> Round | None:
        """Open round `number`, or return None where it is finished."""
        round_id = content_id(self.session.run.id, number)
        round_ = self.store.get(Round, round_id)
        if round_ is None:
            round_ = Round(
                id=round_id,
                run_id=self.session.run.id,
                number=number,
                champion_id=self.champion(),
                started_at=now(),
                finished_at=None,
                outcome=None,
            )
            with self.store.transaction():
                self.store.add(round_)
        if round_.finished_at is not None:
            return None
        self.progress.begin_round(number)
        self.progress.settle(self.store.all(Stage, round_id=round_.id))
        self.scorer.prepare()
        self.scorer.wall_s = self.scorer.model_s = self.scorer.sandbox_s = 0.0
        self._show()
        return round_

    @contextmanager
    def abandoning(self, round_: Round) -> Iterator[None]:
        """Give the round up where a stage of it cannot be brought to its end, so that the next one can begin.

        Raises:
            HostError: Too many rounds in a row were given up, or the model has never worked.
        """
        try:
            yield
        except STAGE_CANNOT_END as error:
            self.tools.engines.close()
            abandon(self.store, self.progress, self.contest, round_, error)
            shutil.rmtree(self.session.folder / "work" / retention.round_name(round_.number), ignore_errors=True)
            self._show()
            stop_after_too_many(self.store)

    def champion(self) -> str | None:
        """Return the adapter that was promoted last, or None while the base model leads."""
        promoted = self.store.all(Promotion, promoted=True)
        return promoted[-1].candidate_id if promoted else None

    def weights(self, adapter_id: str | None) -> Weights:
        """Return the weights of an adapter, or the base model's."""
        if adapter_id is None:
            return Weights(id=self.session.run.model_sha256, adapter=None)
        adapter = self.store.get(Adapter, adapter_id)
        if adapter is None or adapter.path is None:
            raise HostError(
                f"adapter {adapter_id} is the champion but its files are not known; the database is damaged"
            )
        folder = self.session.folder / adapter.path
        if adapter.id not in self._intact:
            if adapter_sha256(folder) != adapter.sha256:
                raise DiskFailed(
                    f"adapter {folder} is not what was trained (its sha256 is not that of its row {adapter.id}); "
                    "put the folder back from a copy, or go back to before it with "
                    f"`python run_loop.py recover --run {self.session.run.name}`"
                )
            self._intact.add(adapter.id)
        return Weights(id=adapter.id, adapter=folder)

    # -- problems -----------------------------------------------------------------------------------------------------

    def choose_problems(self, round_: Round) -> list[Problem]:
        """Draw the round's problems, asking the model once for a signature where a problem has none.

        A problem that gets none is dropped as the stage ends, and the stage keeps the draw: a later start would draw
        others from the problems that are left.
        """
        done = self.store.stage(round_.id, "problems")
        if done is not None:
            return self._with_signature(json.loads(done.detail or "{}")["drawn"])
        usable = [problem for problem in self.store.all(Problem) if problem.dropped is None]
        chosen = problems.choose(usable, self.config.problems.per_round, self.config.seed, round_.number)
        nameless = {problem.id: problem for problem in chosen if problem.signature is None}
        drawn = [problem.id for problem in chosen]
        self.room.check("problems", round_)
        with self.ledger.stage(round_, "problems", len(chosen), "problems") as stage:
            if nameless:
                generator = self.tools.engines.serving(self.weights(round_.champion_id))
                for answer in generator.generate([self._signature_request(problem) for problem in nameless.values()]):
                    problem = nameless[answer.request_id]
                    if found := prompts.parse_signature(answer.completions[0].text):
                        with self.store.transaction():
                            self.store.replace(replace(problem, signature=found[0], entry_point=found[1]))
                    else:
                        stage.changed.append(replace(problem, dropped=problems.NO_SIGNATURE))
                    self.progress.check_stop()
            stage.facts = {"problems": len(chosen), "without_signature": len(stage.changed), "drawn": drawn}
        return self._with_signature(drawn)

    def _with_signature(self, drawn: list[str]) -> list[Problem]:
        """Return those of the drawn problems that can be asked."""
        return [problem for problem in self.store.all(Problem) if problem.id in drawn and problem.signature is not None]

    def _signature_request(self, problem: Problem) -> Request:
        return Request(
            id=problem.id,
            messages=prompts.signature_messages(problem.prompt),
            n=1,
            temperature=0.0,
            top_p=1.0,
            max_tokens=96,
            seed=None,
        )

    # -- code, tests, judge -------------------------------------------------------------------------------------------

    def sample_and_judge(self, round_: Round, chosen: list[Problem]) -> None:
        """Have every chosen problem's codes and tests written and run against each other."""
        if self.ledger.done(round_, "judge"):
            return
        self.room.check("code", round_, round_.champion_id)
        sampler = Sampler(
            self.store,
            self.tools.box,
            round_id=round_.id,
            seeds=(self.config.seed, round_.number),
            generate=self.config.generate,
            select=self.config.select,
            progress=self.progress,
            watchdog=self.config.watchdog,
        )
        begun = now()
        sampler.run(chosen, lambda: self.tools.engines.serving(self.weights(round_.champion_id)))
        self.progress.end("judge", f"{self.progress.stages['judge'].executions} executions")
        rows = sampler.stages(begun, self.tools.engines.canary(), self.tools.peak_memory())
        with self.store.transaction():
            self.store.add(*rows)
        self.progress.settle(rows)
        self._show()

    # -- select -------------------------------------------------------------------------------------------------------

    def select_pairs(self, round_: Round) -> list[Pair]:
        """Choose the pairs that the configured rule makes of the matrices, and measure every rule on them."""
        if not self.ledger.done(round_, "select"):
            matrices = self.store.all(Matrix, round_id=round_.id)
            samples = {sample.id: sample for sample in self.store.all(Sample, round_id=round_.id)}
            by_id = {problem.id: problem for problem in self.store.all(Problem)}
            with self.ledger.stage(round_, "select", len(matrices), "matrices") as stage:
                chosen = make_pairs(
                    matrices, samples, by_id, section=self.config.select, seeds=(self.config.seed, round_.number)
                )
                stage.rows += [*chosen.pairs, *chosen.reliability]
                stage.facts = {"pairs": len(chosen.pairs), "too_similar": chosen.too_similar}
        return self.store.all(Pair, round_id=round_.id)

    # -- train --------------------------------------------------------------------------------------------------------

    def train_candidate(self, round_: Round, pairs: list[Pair]) -> Adapter:
        """Train the next adapter on the pairs; a training that fails on its merits is a failed candidate."""
        if known := self.store.all(Adapter, round_id=round_.id):
            return known[0]
        self.room.check("train", round_)
        section = self.config.train
        with self.ledger.stage(round_, "train", 0, "steps") as stage:
            if len(pairs) < section.min_pairs:
                result = learning.too_few(len(pairs), section)
            else:
                self.tools.engines.close()
                clock, parent = time.monotonic(), self.weights(round_.champion_id).adapter
                result = learning.learn(self.session, self.tools.train, round_, pairs, parent, self.progress)
                stage.model_s = time.monotonic() - clock
            adapter = learning.adapter(round_, len(pairs), section, result)
            stage.rows.append(adapter)
        shutil.rmtree(self.session.folder / "work" / retention.round_name(round_.number), ignore_errors=True)
        return adapter

    # -- benchmark, gate ----------------------------------------------------------------------------------------------

    def score_champion(self, round_: Round) -> None:
        """Score the champion where it has no score yet, while its engine is up."""
        champion = self.weights(round_.champion_id)
        missing = self.scorer.missing(champion.id)
        if any(missing.values()):
            self.room.check("benchmark", round_, round_.champion_id)
            self.progress.begin("benchmark", self._expected(missing), "tasks", self.progress.stages["benchmark"].done)
            self.scorer.run(champion, self.tools.engines)
            self.progress.pause("benchmark")
            self._show()

    def benchmark(self, round_: Round, adapter: Adapter) -> None:
        """Score the candidate, if there is one, on the champion's tasks, until its fate is certain."""
        self.score_champion(round_)
        if self.ledger.done(round_, "benchmark"):
            return
        earlier_s = self.scorer.wall_s  # the champion was scored while its engine was up
        candidate = None if adapter.sha256 is None else self.weights(adapter.id)
        self.room.check("benchmark", round_, candidate.id if candidate else None)
        total = self._expected({} if candidate is None else self.scorer.missing(candidate.id))
        with self.ledger.stage(round_, "benchmark", total, "tasks") as stage:
            if candidate is not None:
                self.contest.score(self.weights(round_.champion_id), candidate, self.tools.engines)
            stage.model_s, stage.sandbox_s, stage.earlier_s = self.scorer.model_s, self.scorer.sandbox_s, earlier_s

    def _expected(self, missing: dict[str, list[Any]]) -> int:
        """Return how many tasks the stage will have scored in this round once nothing is missing."""
        return self.progress.stages["benchmark"].done + sum(len(tasks) for tasks in missing.values())

    def decide(self, round_: Round, adapter: Adapter) -> Promotion:
        """Promote the candidate or keep the champion, and finish the round."""
        if adapter.sha256 is None:
            decision = self.contest.no_candidate(f"kept: no candidate ({adapter.reason}).")
        else:
            decision = self.contest.decide(self.weights(round_.champion_id), self.weights(adapter.id))
        promoted = promotion(round_, adapter, decision)
        self.room.check("gate", round_)
        with self.ledger.stage(round_, "gate", 1, "decisions") as stage:
            stage.rows.append(promoted)
            outcome = "promoted" if promoted.promoted else "kept"
            stage.changed.append(replace(round_, finished_at=now(), outcome=outcome))
        log.info("round %d: %s", round_.number, promoted.reason)
        retention.tidy(self.session)
        track_rounds.tell(self.session)
        return promoted

    # -- bookkeeping --------------------------------------------------------------------------------------------------

    def _show(self) -> None:
        """Hand the display what it shows of the database."""
        champion = self.champion()
        self.progress.overviews = tuple(self.store.rounds_overview())
        leader = self.store.get(Adapter, champion) if champion else None
        turn = self.store.get(Round, leader.round_id) if leader else None
        self.progress.champion = f"round {turn.number}" if turn else "base model"
        self.progress.champion_scores = self.scorer.summary(champion or self.session.run.model_sha256)
