"""Rounds that cannot be brought to their end: given up, with the reason on record, so that the next one can begin.

A stage fails for good when its model process, or the sandbox, failed as often as the watchdog allows. That costs the
round: it ends as "abandoned", its champion stays, it spends no alpha, and whatever it has stored is kept. Three in a
row are no accident any more, and stop the run.

A full or broken disk or database is no reason to give a round up: nothing could be put on record. Neither is a model
that has never written a word in this run: that is a mistake in its setting up, and every round would meet it.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from sandbox import SandboxError
from selfplay.contest import Contest, promotion
from selfplay.errors import HostError, StageFailed
from selfplay.progress import Progress, StopRequested
from selfplay.rounds_table import clean
from selfplay.session import now
from selfplay.worker_death import WorkerDied
from state.records import Adapter, Promotion, Reply, Round
from state.store import Store

log = logging.getLogger(__name__)

STAGE_CANNOT_END = (StageFailed, SandboxError)
IN_A_ROW = 3
"""Rounds abandoned one after the other that stop the run."""


def abandon(store: Store, progress: Progress, contest: Contest, round_: Round, error: Exception) -> None:
    """Put on record that a round is given up because of `error`.

    Raises:
        StopRequested: Somebody asked the whole process tree to stop, and the worker heard it first.
        StageFailed: `error`, where the model has never written anything: the round stays open.
    """
    if progress.stop:
        raise StopRequested from error
    if isinstance(error, StageFailed) and not store.count(Reply):
        raise error
    if isinstance(error, WorkerDied):
        log.error("%s\nthe end of its log:\n%s", error, error.log_tail)
    stage = next((name for name, each in progress.stages.items() if each.state == "running"), "a stage")
    reason = clean(f"abandoned in {stage}: {error}")
    candidates = store.all(Adapter, round_id=round_.id)
    with store.transaction():
        store.add(promotion(round_, candidates[0] if candidates else None, contest.no_candidate(reason)))
        store.replace(replace(round_, finished_at=now(), outcome="abandoned"))
    progress.message = f"round {round_.number}: {reason}"
    log.error("round %d: %s", round_.number, reason)


def stop_after_too_many(store: Store) -> None:
    """Stop the run if its last rounds were all abandoned.

    Raises:
        HostError: They were.
    """
    ended = [round_ for round_ in store.all(Round) if round_.finished_at is not None][-IN_A_ROW:]
    if len(ended) == IN_A_ROW and all(round_.outcome == "abandoned" for round_ in ended):
        (last,) = store.all(Promotion, round_id=ended[-1].id)
        raise HostError(
            f"rounds {ended[0].number} to {ended[-1].number} were abandoned one after the other, the last: "
            f"{last.reason}. Mend that, and repeat the same command: it goes on with the round after them "
            "(with a larger --rounds where there is none)"
        )
