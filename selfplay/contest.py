"""Champion against candidate: scoring as far as it can matter, and the decision.

With `gate.curtail` the candidate's scoring stops once no outcome of the rest could promote it (curtail.py), and its
audit benchmarks, which come after the gate's, are then not scored at all. A candidate that was cut short has had its
look: it could have been promoted. It spends its round's share of alpha exactly as if it had been scored to the end, so
that no decision of a run depends on whether candidates are cut short.

Answers come back in any order and are stored as they come. Which tasks have a score when the scoring stops may
therefore differ between two runs; which of them count, and the decision, do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from selfplay import curtail, gate
from selfplay.engines import Engines, Weights
from selfplay.scoring import Scorer
from selfplay.sections import Gate
from state.records import Adapter, Promotion, Round, Score, content_id
from state.store import Store


class Contest:
    """What decides between the champion and a candidate."""

    def __init__(self, store: Store, scorer: Scorer, section: Gate) -> None:
        self.store, self.scorer, self.section = store, scorer, section

    def alpha(self) -> float:
        """Return the level of the next decision: a round without a test spends nothing."""
        looks = sum(earlier.p_value is not None for earlier in self.store.all(Promotion))
        return gate.alpha_for_round(self.section.alpha, looks + 1)

    def score(self, champion: Weights, candidate: Weights, engines: Engines) -> None:
        """Score the candidate on what is missing, until its fate is certain; the champion's scores are all there."""
        if self.section.curtail:
            watch = Watch(self.scorer.results(champion, candidate), self.scorer.order(), self._gate())
            self.scorer.run(candidate, engines, watch)
        else:
            self.scorer.run(candidate, engines)

    def decide(self, champion: Weights, candidate: Weights) -> gate.Decision:
        """Return the gate's decision."""
        results = self.scorer.results(champion, candidate)
        if not self.section.curtail:
            return self._gate()(results)
        return curtail.decide_early(results, self.scorer.order(), self._gate())

    def no_candidate(self, reason: str) -> gate.Decision:
        """Return what is decided where there is nothing to decide: the champion stays, and no alpha is spent."""
        return gate.Decision(
            promoted=False, reason=reason, wins=0, losses=0, ties=0, p_value=None, alpha=self.alpha(), evidence=()
        )

    def _gate(self) -> curtail.Decide:
        section = self.section
        return partial(gate.decide, alpha_round=self.alpha(), margin=section.margin, min_coverage=section.min_coverage)


def promotion(round_: Round, candidate: Adapter | None, decision: gate.Decision) -> Promotion:
    """Return a decision as a row."""
    return Promotion(
        id=content_id(round_.id, "promotion"),
        round_id=round_.id,
        candidate_id=candidate.id if candidate is not None and candidate.sha256 else None,
        champion_id=round_.champion_id,
        promoted=decision.promoted,
        reason=decision.reason,
        wins=decision.wins,
        losses=decision.losses,
        ties=decision.ties,
        p_value=decision.p_value,
        alpha=decision.alpha,
        evidence=gate.evidence_json(decision),
    )


class Watch:
    """Follows the candidate's scores and tells when its fate is certain."""

    def __init__(self, results: Sequence[gate.BenchmarkResult], order: curtail.Order, decide: curtail.Decide) -> None:
        self._results, self._order, self._decide = results, order, decide
        self._seen = {result.name: dict(result.candidate) for result in results}

    def __call__(self, scores: Sequence[Score]) -> bool:
        """Take note of new scores, all of a task's together; return whether the candidate can no longer be promoted."""
        for score in scores:
            tasks = self._seen[score.benchmark]
            tasks[score.task_id] = (*tasks.get(score.task_id, ()), score.passed)
        results = [replace(result, candidate=self._seen[result.name]) for result in self._results]
        return curtail.cut_after(results, self._order, self._decide) is not None
