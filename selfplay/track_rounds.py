"""What is known of each finished round, as curves over the rounds (track.py).

They are written anew from the database every time, by a worker process of a second or two: the loop itself imports
none of the libraries, and neither a kill nor a round that was taken back leaves a wrong point behind.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from datetime import datetime

from selfplay import retention, track
from selfplay.channel import Channel, Json, serve
from selfplay.errors import HostError
from selfplay.session import Session
from selfplay.track import Curves
from selfplay.worker import Worker
from state.overview import RoundOverview
from state.records import Promotion, Round
from state.store import Store

log = logging.getLogger(__name__)

NAME = "rounds"
DEADLINE_S = 120.0
"""Longest silence of the process that writes."""
SHARES = {"champion_pass": "champion", "candidate_pass": "candidate", "difference": "difference"}
INTERVALS = {name: f"{label}_interval" for name, label in SHARES.items()}


def tell(session: Session) -> None:
    """Write the curves over the finished rounds, if any are wanted; what goes wrong is a warning."""
    curves = track.curves(session.folder, session.config.track)
    if curves is None or not (found := points(session.store)):
        return
    path = session.folder / "logs" / "track.log"
    job = {"curves": curves.to_message(), "points": found}
    try:
        retention.rotate(path, session.config.keep)
        with Worker(__name__, job, log=path, env=curves.environment(), deadline_s=DEADLINE_S) as worker:
            for _ in worker.messages():
                pass
    except (HostError, OSError) as error:
        log.warning("the curves of the rounds cannot be written (%s); the run goes on without them", error)


def points(store: Store) -> list[Json]:
    """Return a point for each finished round: its number, when it was finished, and its values by name."""
    ended = {round_.number: round_ for round_ in store.all(Round) if round_.finished_at is not None}
    promotions = {row.round_id: row for row in store.all(Promotion)}
    return [
        {
            "step": overview.number,
            "time_s": datetime.fromisoformat(ended[overview.number].finished_at or "").timestamp(),
            "values": values(overview, promotions.get(ended[overview.number].id)),
        }
        for overview in store.rounds_overview()
        if overview.number in ended
    ]


def values(overview: RoundOverview, promotion: Promotion | None) -> dict[str, float]:
    """Return what is known of a finished round by name; what is not known is left out.

    Args:
        overview: The round.
        promotion: Its decision, with pass@1 of both sides on every benchmark, shares in [0, 1], and 95% intervals.
    """
    found: dict[str, float | None] = {
        "round/promoted": float(overview.outcome == "promoted"),
        "round/stages_s": overview.wall_s,
        "pairs/made": overview.pairs,
        "train/last_loss": overview.loss,
    }
    if overview.measured:
        found["pairs/true_frac"] = (overview.good or 0) / overview.measured
        found["pairs/inverted_frac"] = (overview.inverted or 0) / overview.measured
    for row in json.loads(promotion.evidence) if promotion else ():
        for name, label in SHARES.items():
            low, high = row[INTERVALS[name]] or (None, None)
            found |= {
                f"{row['name']}/{label}": row[name],
                f"{row['name']}/{label}_low": low,
                f"{row['name']}/{label}_high": high,
            }
    return {name: float(value) for name, value in found.items() if value is not None}


def write_tensorboard(curves: Curves, points: Sequence[Json]) -> None:
    """Write an event file with all points, then remove those before it; for as long as both are there, the new holds.

    A reader drops what it has read from the step on that a START names.
    """
    from tensorboard.compat.proto import event_pb2, summary_pb2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    folder = curves.folder / NAME
    before = list(folder.glob("events.*"))
    writer = EventFileWriter(str(folder))
    begun = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    writer.add_event(event_pb2.Event(step=1, wall_time=points[0]["time_s"], session_log=begun))
    for point in points:
        summary = summary_pb2.Summary()
        for name, value in point["values"].items():
            summary.value.add(tag=name, simple_value=value)
        writer.add_event(event_pb2.Event(step=point["step"], wall_time=point["time_s"], summary=summary))
    writer.close()
    for path in before:
        path.unlink()


def write_trackio(curves: Curves, points: Sequence[Json]) -> None:
    """Replace the curve in trackio's database."""
    import trackio

    track.forget(curves.run, NAME)
    trackio.init(project=curves.run, name=NAME, embed=False, auto_log_gpu=False, auto_log_cpu=False)
    for point in points:
        trackio.log(point["values"], step=point["step"])
    trackio.finish()


WRITERS = {"tensorboard": write_tensorboard, "trackio": write_trackio}


def main(job: Json, _channel: Channel) -> None:
    """Write what `tell` sent."""
    curves = track.from_message(job["curves"])
    for name in curves.to:
        WRITERS[name](curves, job["points"])


if __name__ == "__main__":
    serve(main)
