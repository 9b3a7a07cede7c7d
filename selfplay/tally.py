"""A run's database -> what there is to see of the run now, for somebody who is not the loop.

Counts of the round under way are cheap and read at every look; summaries of rounds and scores of the champion only when
a row was added that can change them. Speeds are differences between looks.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from selfplay import config
from selfplay.paired import wilson_interval
from selfplay.progress import STAGES
from selfplay.scoring import decoding
from selfplay.snapshot import ChampionScore, JudgedProblem, Snapshot, StageLine, run_left_s, speed_of
from state.overview import RoundOverview
from state.records import (
    Adapter,
    Execution,
    GroundTruth,
    Matrix,
    Problem,
    Promotion,
    Reply,
    Round,
    Run,
    Score,
    Stage,
    TrainStep,
)
from state.store import Store

SPEED_S = 60.0
"""Seconds that a speed is taken over."""
REASONS = 3
"""Decisions whose reasons are shown."""
_UNITS = {"select": "matrices", "train": "steps", "benchmark": "tasks", "gate": "decisions"}
_MODEL = {"code", "tests", "train", "benchmark"}
"""Stages whose speed is in tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How far a stage is."""

    done: int
    total: int = 0
    """0 where nothing stored tells."""
    work: int = 0
    """Tokens or executions so far."""


class Watcher:
    """Looks at one run again and again."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.run = store.all(Run)[0]
        self.config = config.from_json(self.run.config)
        self.problems = {problem.id: problem for problem in store.all(Problem)}
        self._usable = sum(problem.dropped is None for problem in self.problems.values())
        self._level = str(json.loads(self.run.host).get("sandbox_level", "?"))
        self._past: deque[tuple[float, str, Mapping[str, Count]]] = deque()
        self._overviews: tuple[tuple[int, ...], tuple[RoundOverview, ...]] = ((), ())
        self._scores: tuple[tuple[object, ...], tuple[ChampionScore, ...]] = ((), ())

    def look(self, now_s: float, moment: datetime) -> Snapshot:
        """Return what there is to see now, without what only the machine knows (elapsed time, memory).

        Args:
            now_s: A clock that only goes forward.
            moment: The time of day, with its zone.
        """
        with self.store.one_moment():
            return self._look(now_s, moment)

    def _look(self, now_s: float, moment: datetime) -> Snapshot:
        rounds = self.store.all(Round)
        turn = rounds[-1] if rounds else None
        overviews, rounds_asked = self._rounds(), self.store.all(Run)[0].rounds
        numbers = {each.id: each.number for each in rounds}
        champion = self._champion()
        judged = self.store.newest(Matrix, round_id=turn.id) if turn else None
        return Snapshot(
            run=self.run.name,
            model=self.run.model,
            preset=self.config.preset,
            round_number=turn.number if turn else 0,
            rounds=rounds_asked,
            elapsed_s=sum(each.wall_s for each in overviews),
            left_s=run_left_s(overviews, rounds_asked, turn.number, overviews[-1].wall_s) if turn else None,
            sandbox_level=self._level,
            stages=self._stages(turn, now_s, moment) if turn else (),
            overviews=overviews,
            champion=f"round {numbers[champion.round_id]}" if champion else "base model",
            champion_scores=self._champion_scores(champion.id if champion else self.run.model_sha256),
            judged=self._judged(judged) if judged else None,
            log=tuple(f"round {each.number}: {each.reason}" for each in overviews if each.reason)[-REASONS:],
        )

    def _champion(self) -> Adapter | None:
        promoted = self.store.all(Promotion, promoted=True)
        return self.store.get(Adapter, promoted[-1].candidate_id or "") if promoted else None

    def _rounds(self) -> tuple[RoundOverview, ...]:
        key = tuple(self.store.count(record) for record in (Round, Stage, Promotion, Matrix))
        if key != self._overviews[0]:
            self._overviews = (key, tuple(self.store.rounds_overview()))
        return self._overviews[1]

    def _champion_scores(self, weights: str) -> tuple[ChampionScore, ...]:
        key = (weights, self.store.count(Score, weights_id=weights), self.store.count(GroundTruth))
        if key != self._scores[0]:
            section, decoded = self.config.benchmark, decoding(self.config.benchmark)
            named = [(name, "gate") for name in section.gate] + [(name, "audit") for name in section.audit]
            scorable = self.store.left_out()
            found = []
            for name, role in named:
                scores = self.store.scores(weights, name, decoded)
                tasks = len({score.task_id for score in scores})
                expected, left_out = scorable.get(name, (0, 0))
                if tasks and tasks >= expected:  # the first tasks alone would tell another rate
                    share = sum(score.passed for score in scores) / len(scores)
                    found.append(
                        ChampionScore(
                            benchmark=name,
                            passed_frac=share,
                            tasks=tasks,
                            interval=wilson_interval(share * tasks, tasks),
                            left_out=left_out,
                            role=role,
                        )
                    )
            self._scores = (key, tuple(found))
        return self._scores[1]

    def _judged(self, matrix: Matrix) -> JudgedProblem:
        name = self.problems[matrix.problem_id].entry_point or matrix.problem_id
        return JudgedProblem(name=name, passed=tuple(json.loads(matrix.passed)))

    # -- stages -------------------------------------------------------------------------------------------------------

    def _stages(self, turn: Round, now_s: float, moment: datetime) -> tuple[StageLine, ...]:
        finished = {stage.name: stage for stage in self.store.all(Stage, round_id=turn.id)}
        counts = self._counts(turn)
        subject = f"{turn.id} {self._weights(turn)}"  # other weights are counted from zero again
        self._past.append((now_s, subject, counts))
        while self._past[0][1] != subject or (len(self._past) > 2 and now_s - self._past[0][0] > SPEED_S):
            self._past.popleft()
        since = _ended(finished, turn)
        losses = tuple(step.loss for step in self.store.all(TrainStep, round_id=turn.id) if step.loss is not None)
        running = _running(finished, counts) if turn.outcome is None else frozenset()
        lines = []
        for name in STAGES:
            count = counts.get(name, Count(done=0))
            line = StageLine(
                name=name,
                state="done" if name in finished else "running" if name in running else "pending",
                done=count.done,
                total=count.total,
                unit=_UNITS.get(name, "problems"),
                rate=speed_of(finished[name]) if name in finished else self._rate(name, count, now_s),
                wall_s=finished[name].wall_s if name in finished else max(0.0, (moment - since).total_seconds()),
                left_s=self._left(name, count, now_s) if name in running else None,
                losses=losses if name == "train" else (),
            )
            lines.append(line)
        return tuple(lines)

    def _counts(self, turn: Round) -> dict[str, Count]:
        store, key = self.store, turn.id
        problems = min(self.config.problems.per_round, self._usable)
        written = {
            stage: Count(
                done=len(store.answered(key, kind)),
                total=problems,
                work=store.total(Reply, "tokens", round_id=key, kind=kind),
            )
            for stage, kind in (("code", "code"), ("tests", "test"))
        }
        matrices = store.count(Matrix, round_id=key)
        judge = Count(done=matrices, total=problems, work=store.count(Execution, round_id=key))
        step = store.newest(TrainStep, round_id=key)
        steps = step.step if step else 0
        train = Count(done=steps, total=0, work=store.total(TrainStep, "tokens", round_id=key))
        if store.stage(key, "train") is not None:
            train = Count(done=steps, total=steps, work=train.work)
        return {
            **written,
            "problems": Count(done=problems, total=problems),
            "judge": judge,
            "select": Count(done=matrices, total=matrices),
            "train": train,
            "benchmark": self._scored(turn),
        }

    def _scored(self, turn: Round) -> Count:
        """Return how far the candidate's scores are, or the champion's while there is no candidate."""
        weights = self._weights(turn)
        if weights is None:
            return Count(done=0)
        samples = self.config.benchmark.samples
        names = (*self.config.benchmark.gate, *self.config.benchmark.audit)
        scorable = self.store.left_out()
        return Count(
            done=self.store.count(Score, weights_id=weights) // samples,
            total=sum(scorable[name][0] for name in names if name in scorable),
            work=self.store.total(Score, "tokens", weights_id=weights),
        )

    def _weights(self, turn: Round) -> str | None:
        """Return whose scores come in: the champion's, then the candidate's; None where training left no candidate."""
        adapters = self.store.all(Adapter, round_id=turn.id)
        if not adapters:
            return turn.champion_id or self.run.model_sha256
        return adapters[0].id if adapters[0].sha256 else None

    def _rate(self, name: str, count: Count, now_s: float) -> str:
        at, before = self._first(name)
        spent = now_s - at
        if spent < 2 or count.work <= before.work:
            return ""
        unit = "tokens" if name in _MODEL else "executions"
        return f"{(count.work - before.work) / spent:.0f} {unit}/s"

    def _left(self, name: str, count: Count, now_s: float) -> float | None:
        at, before = self._first(name)
        if now_s - at < 2 or not before.done < count.done < count.total:
            return None
        return (count.total - count.done) * (now_s - at) / (count.done - before.done)

    def _first(self, name: str) -> tuple[float, Count]:
        """Return the look that a speed is taken from: the oldest that is kept, or the last before work came in."""
        looks = [(at, counts.get(name, Count(done=0))) for at, _, counts in self._past]
        first = looks[0][1]
        return [look for look in looks if look[1] == first][-1]


def _running(finished: Mapping[str, Stage], counts: Mapping[str, Count]) -> frozenset[str]:
    """Return the stages under way: the first that is missing, and what overlaps with it.

    Code, tests and judging overlap and are stored together. Between judging and selection the champion is scored where
    it has no score yet, so that a missing selection means scoring.
    """
    missing = [name for name in STAGES if name not in finished]
    if not missing:
        return frozenset()
    if missing[0] in {"code", "tests", "judge"}:
        return frozenset(name for name in ("code", "tests", "judge") if counts[name].done < counts[name].total)
    return frozenset({"benchmark" if missing[0] == "select" else missing[0]})


def _ended(finished: Mapping[str, Stage], turn: Round) -> datetime:
    """Return when the last finished stage ended, or when the round began."""
    moments = [datetime.fromisoformat(turn.started_at).timestamp()]
    moments += [datetime.fromisoformat(each.started_at).timestamp() + each.wall_s for each in finished.values()]
    return datetime.fromtimestamp(max(moments)).astimezone()
