"""The clock that tells how long nothing was heard, and the watch over the sandbox."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import Limits, Sandbox, SandboxError
from selfplay.watchdog import LOOK_S, Silence, some_of


def test_silence_counts_up_and_news_sets_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    silence = Silence()
    for _ in range(3):
        clock[0] += 0.5
        silence.look()
    assert silence.seconds == 1.5
    assert silence.look(news=True) == 0.0


def test_hours_in_which_this_process_was_stopped_are_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    silence = Silence()
    clock[0] += 7200.0
    assert silence.look() == LOOK_S


def test_nothing_pending_is_nothing_to_wait_for() -> None:
    class Never:
        executions = 0

        def end_jails(self) -> None:
            raise AssertionError

    assert some_of(set(), Never(), 0.0) == set()


@pytest.mark.isolation
def test_executions_that_stand_still_are_ended_tried_once_more_and_then_an_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A sandbox that would wait a minute for each: only the watch can end it sooner."""
    begun = time.monotonic()
    code = "import time\ntime.sleep(50)\ndef f():\n    return 1\n"
    with Sandbox(1, "auto", Limits(wall_s=60.0)) as box, ThreadPoolExecutor(1) as pool:
        assert box.run("def f():\n    return 1\n", "assert f() == 1", entry_point="f").passed
        assert box.executions == 1
        pending = {pool.submit(box.run, code, "assert f() == 1", entry_point="f")}
        (done,) = some_of(pending, box, deadline_s=1.0)
        with pytest.raises(SandboxError, match="the sandbox failed twice at one execution"):
            done.result()
        assert caplog.text.count("the sandbox has finished no execution for 1 s") == 2
        assert box.run("def f():\n    return 1\n", "assert f() == 1", entry_point="f").passed
    assert time.monotonic() - begun < 40
