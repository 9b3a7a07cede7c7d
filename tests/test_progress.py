"""The counters of a stage: what a pause does to its time, and how a stop is asked for."""

from __future__ import annotations

import time

import pytest

from selfplay.progress import Progress, StopRequested


def test_time_in_which_a_stage_waits_for_others_does_not_count() -> None:
    progress = Progress(rounds=1)
    progress.begin_round(1)
    stage = progress.begin("benchmark", 10, "tasks")
    progress.pause("benchmark")
    assert stage.state == "pending"
    before = stage.wall_s
    time.sleep(0.05)
    assert stage.wall_s == before
    progress.begin("benchmark", 20, "tasks", 10)
    assert stage.state == "running"
    assert stage.wall_s < before + 0.05


def test_a_stop_is_taken_between_two_units_of_work() -> None:
    progress = Progress(rounds=1)
    progress.check_stop()
    progress.stop = True
    with pytest.raises(StopRequested):
        progress.check_stop()
