"""Jails die with their owner, come back after a failure of the host, and never turn that failure into a verdict."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from sandbox import Sandbox, SandboxError, SandboxUnavailable, Status, jail

from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

GOOD, PASSES = "def f():\n    return 1", "assert f() == 1"
ROOT = Path(__file__).parents[2]
OWNER = """
import sys, time
from sandbox import Sandbox
with Sandbox(workers=2, level=sys.argv[1]) as box:
    print(box.run("def f():\\n    return 1", "assert f() == 1", entry_point="f").status, flush=True)
    box.run("def f():\\n    while True: pass", "f()", entry_point="f") if sys.argv[2] == "busy" else time.sleep(100)
"""


def zygotes(of: int) -> list[psutil.Process]:
    try:
        return psutil.Process(of).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def soon(condition: Callable[[], bool], within_s: float = 10.0) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
@pytest.mark.parametrize("state", ["idle", "busy"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_an_owner_that_is_killed(level: str, state: str, number: int) -> None:
    open_or_skip(level).close()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, level, state], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "passed\n"
        time.sleep(0.3)
        left = zygotes(owner.pid)
        assert len(left) >= 4
        owner.send_signal(number)
        owner.wait(10)
        assert soon(lambda: not alive(left)), alive(left)


def test_closing_ends_every_process() -> None:
    before = {p.pid for p in zygotes(os.getpid())}
    with open_or_skip("bwrap", workers=2) as box:
        box.run(GOOD, PASSES, entry_point="f")
        assert len(zygotes(os.getpid())) >= len(before) + 4
    assert {p.pid for p in zygotes(os.getpid())} <= before


def test_the_jails_are_out_of_reach_of_the_terminals_interrupt() -> None:
    with open_or_skip("bwrap") as box:
        assert all(os.getpgid(p.pid) != os.getpgid(0) for p in zygotes(os.getpid()))
        assert box.run(GOOD, PASSES, entry_point="f").passed


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
@pytest.mark.parametrize("role", [0, 1])
def test_a_jail_that_dies_is_replaced_and_the_execution_repeated(level: str, role: int) -> None:
    with open_or_skip(level) as box:
        assert box.run(GOOD, PASSES, entry_point="f").passed
        worker = box._workers[0]
        started = psutil.Process((worker.code, worker.judge.jail)[role].process.pid)
        (started.children()[0] if level == "bwrap" else started).kill()  # bubblewrap's child is the zygote
        verdict = box.run(GOOD, "assert f() == 1, 'x'", entry_point="f")
        assert verdict.status is Status.PASSED, verdict


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
@pytest.mark.parametrize("code", ["time.sleep(0.5)\ndef f(): return 1", "def f():\n    time.sleep(0.5)\n    return 1"])
def test_a_code_that_the_host_kills_is_run_again(level: str, code: str) -> None:
    """As the kernel does when memory runs out: the code did nothing wrong."""
    with open_or_skip(level) as box, ThreadPoolExecutor(1) as pool:
        assert box.run(GOOD, PASSES, entry_point="f").passed
        before = {p.pid for p in zygotes(os.getpid())}
        verdict = pool.submit(box.run, f"import time\n{code}", "assert f() == 1, 'x'", entry_point="f")
        assert soon(lambda: bool({p.pid for p in zygotes(os.getpid())} - before))
        time.sleep(0.2)
        struck = [p for p in zygotes(os.getpid()) if p.pid not in before]
        for process in struck:
            process.kill()
        assert struck
        assert verdict.result().status is Status.PASSED, verdict.result()


@pytest.mark.parametrize("code", ["os.kill(os.getpid(), 9)\ndef f(): pass", "def f(): os.kill(os.getpid(), 9)"])
def test_a_code_that_kills_itself_has_crashed(code: str) -> None:
    with open_or_skip("bwrap") as box:
        verdict = box.run(f"import os\n{code}", PASSES, entry_point="f")
        assert verdict.status is Status.CRASHED, verdict


def test_a_host_that_cannot_restart_a_jail_is_an_error_and_not_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_or_skip("bwrap") as box:
        monkeypatch.setattr(jail, "find_bwrap", lambda: "/bin/false")
        for process in zygotes(os.getpid()):
            with contextlib.suppress(psutil.NoSuchProcess):  # it went with its parent
                process.kill()
        with pytest.raises(SandboxError, match="cannot start"):
            box.run(GOOD, PASSES, entry_point="f")
        monkeypatch.undo()
        assert box.run(GOOD, PASSES, entry_point="f").passed, "the sandbox does not recover with its host"


def test_a_host_without_bubblewrap_is_told_what_it_could_use_and_what_would_help(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_or_skip("landlock").close()
    monkeypatch.setattr(jail, "find_bwrap", lambda: None)
    with pytest.raises(SandboxUnavailable) as raised:
        Sandbox(workers=1)
    message = str(raised.value)
    for part in ("no bubblewrap", "Docker", "AppArmor"):
        assert part in message
    assert "--set sandbox.level=landlock" in message or "--set sandbox.level=uid" in message


def test_no_isolation_is_never_chosen_for_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jail, "find_bwrap", lambda: None)
    monkeypatch.setattr("sandbox.harness.landlock.abi", lambda: 0)
    with pytest.raises(SandboxUnavailable) as raised:
        Sandbox(workers=1)
    assert "level=none" not in str(raised.value)
