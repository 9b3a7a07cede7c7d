"""The loop's counters as the dashboard's picture of them."""

from __future__ import annotations

import time

from selfplay.paired import wilson_interval
from selfplay.progress import LogTail, Progress, StageProgress
from selfplay.resources import Resources
from selfplay.session import Session
from selfplay.snapshot import ChampionScore, Snapshot, StageLine, run_left_s, speed_of

_WRITING = {"code", "tests", "benchmark"}
"""Stages in which the model writes."""


def snapshot(session: Session, progress: Progress, resources: Resources, tail: LogTail, level: str) -> Snapshot:
    """Return what there is to see now; reads no database, so that any thread may call it."""
    gates, samples = session.config.benchmark.gate, session.config.benchmark.samples
    stages = tuple(progress.stages.values())
    stored_s = sum(stage.stored.wall_s for stage in stages if stage.stored)
    spent_s = stored_s + max((stage.wall_s for stage in stages if not stage.stored), default=0.0)  # these overlap
    return Snapshot(
        run=session.run.name,
        model=session.run.model,
        preset=session.config.preset,
        round_number=progress.round_number,
        rounds=progress.rounds,
        elapsed_s=time.monotonic() - progress.started,
        left_s=run_left_s(progress.overviews, progress.rounds, progress.round_number, spent_s),
        sandbox_level=level,
        stages=tuple(_line(stage, progress) for stage in stages),
        overviews=progress.overviews,
        champion=progress.champion,
        champion_scores=tuple(
            ChampionScore(
                benchmark=name,
                passed_frac=passed / total,
                tasks=total // samples,
                interval=wilson_interval(passed / samples, total // samples),
                left_out=left_out,
                role="gate" if name in gates else "audit",
            )
            for name, passed, total, left_out in progress.champion_scores
        ),
        judged=progress.judged,
        usage=resources.latest,
        peak_bytes=resources.peak,
        log=tuple(tail.lines),
        message=progress.message,
    )


def _line(stage: StageProgress, progress: Progress) -> StageLine:
    running = stage.state == "running"
    left = None
    if running and 0 < stage.done < stage.total and stage.wall_s > 1:
        left = stage.wall_s / stage.done * (stage.total - stage.done)
    return StageLine(
        name=stage.name,
        state=stage.state,
        done=stage.done,
        total=stage.total,
        unit=stage.unit,
        rate=_rate(stage, progress) if running else speed_of(stage.stored) if stage.stored else "",
        wall_s=stage.stored.wall_s if stage.stored else stage.wall_s if stage.started is not None else None,
        left_s=left,
        losses=tuple(stage.losses.values()),
    )


def _rate(stage: StageProgress, progress: Progress) -> str:
    speed = progress.tokens_per_s
    if stage.name in _WRITING:
        return f"{speed:.0f} tokens/s" if speed else "waiting for the model"
    if stage.wall_s < 1 or not (stage.executions or stage.tokens):
        return ""
    if stage.name == "judge":
        return f"{stage.executions / stage.wall_s:.0f} executions/s"
    if stage.name == "train" and stage.tokens:
        return f"{stage.tokens / stage.wall_s:.0f} tokens/s"
    return ""
