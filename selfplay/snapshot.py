"""What there is to see of a run at one moment: the records that the dashboard draws.

The loop makes them of its counters (view.py), and whoever watches from another terminal of the database (watch.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from selfplay.resources import Usage
from state.overview import RoundOverview
from state.records import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class StageLine:
    """One stage of the round under way."""

    name: str
    state: str
    """"pending" | "running" | "done"."""
    done: int = 0
    total: int = 0
    """0 where it is not known."""
    unit: str = ""
    """What is counted: "problems", "steps", "tasks"."""
    rate: str = ""
    """Speed with its unit, such as "142 tokens/s": of late while it runs, of the whole stage once it is done."""
    wall_s: float | None = None
    """Spent so far; None where it is not known."""
    left_s: float | None = None
    """Expected to remain."""
    losses: tuple[float, ...] = ()
    """Of a training: logged so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionScore:
    """The champion on one benchmark."""

    benchmark: str
    passed_frac: float
    """pass@1 in [0, 1]."""
    tasks: int
    interval: tuple[float, float] | None = None
    """95%, tasks as the unit."""
    left_out: int = 0
    """Tasks that this host cannot score."""
    role: str = "gate"
    """"gate" | "audit"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedProblem:
    """The pass matrix of the problem that was judged last."""

    name: str
    passed: tuple[str, ...]
    """C strings of T characters, "1" where the code passes the test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything the dashboard shows, at one moment."""

    run: str
    model: str
    preset: str
    round_number: int
    rounds: int | None
    """Rounds asked for; None where it is not known."""
    elapsed_s: float
    left_s: float | None = None
    """Expected until the last round asked for is finished; None before there is anything to tell it from."""
    sandbox_level: str
    stages: tuple[StageLine, ...] = ()
    overviews: tuple[RoundOverview, ...] = ()
    champion: str = "base model"
    """Who leads: "base model", or "round 3"."""
    champion_scores: tuple[ChampionScore, ...] = ()
    judged: JudgedProblem | None = None
    usage: Usage | None = None
    peak_bytes: int | None = None
    """Largest memory of the tree in this stage."""
    log: tuple[str, ...] = ()
    """The last lines, oldest first."""
    message: str = ""
    """What the user should know now."""


def run_left_s(overviews: tuple[RoundOverview, ...], rounds: int | None, number: int, spent_s: float) -> float | None:
    """Return how long the rounds that are left will take if they are like those that are finished.

    Args:
        overviews: The rounds so far.
        rounds: Rounds asked for.
        number: The round under way.
        spent_s: Spent on it so far.

    Returns:
        Seconds; None where no round is finished or nobody knows how many there shall be.
    """
    finished = [turn.wall_s for turn in overviews if turn.outcome is not None]
    if rounds is None or not finished:
        return None
    each = sum(finished) / len(finished)
    return (rounds - number) * each + max(0.0, each - spent_s)


def speed_of(stage: Stage) -> str:
    """Return the speed of a finished stage, with its unit; "" where it has none or was too short to tell."""
    if stage.tokens and stage.model_s:
        return f"{stage.tokens / stage.model_s:.0f} tokens/s"
    if stage.executions and stage.wall_s >= 1:
        return f"{stage.executions / stage.wall_s:.0f} executions/s"
    return ""
