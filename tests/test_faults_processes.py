"""Faults of processes: workers that hang, die or talk nonsense; stopped, doubled and orphaned runs.

Workers are real processes (faulty_worker.py); every run is compared with one to which nothing happened.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from selfplay import config
from selfplay.engines import Weights
from selfplay.train import TrainJob, TrainResult, train
from selfplay.watchdog import Watchdog
from state.records import Execution, Reply, Round
from state.store import Store
from tests import faulty_loop
from tests.fakes import ScriptedGenerator
from tests.faults import (
    command,
    environment,
    finish,
    outcomes,
    script,
    start,
    starts,
    suffer,
    undisturbed,
    until,
)
from tests.script import BASE, Script
from tests.tables import rows
from tests.test_generate import ask
from tests.test_rounds import ROOT

PATIENCE = Watchdog(start_s=60.0, token_s=3.0, step_s=3.0, starts=3)


def database(runs: Path) -> Path:
    return runs / "a" / "run.db"


class Parrot(Script):
    """Answers every request with its number."""

    def reply(self, weights_id: str, request_id: str, seed: int | None, position: int) -> str:
        return f"{request_id} {position}"


def answers(runs: Path, watchdog: Watchdog = PATIENCE) -> list[str]:
    """Return the ids that a scripted engine answers, in order, each once with all its replies."""
    parrot = ScriptedGenerator(Weights(id=BASE, adapter=None), Parrot(problems={}, tasks={}))
    requests = [ask(name) for name in "abcd"]
    with faulty_loop.Engine(parrot, runs / "script", runs / "log", watchdog) as engine:
        got = list(engine.generate(requests))
    for answer in got:
        assert [part.text for part in answer.completions] == [f"{answer.request_id} 0", f"{answer.request_id} 1"]
    return [answer.request_id for answer in got]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("hang", "said nothing for 3 s; its log .* ends: waiting for"),
        ("stop", "said nothing for 3 s"),
        ("garbage", "sent what is no message"),
        ("nonsense", "sent what answers no request"),
        ("crash", "ended with status 1; its log .* ends: RuntimeError: CUDA error: an illegal memory access"),
    ],
)
def test_an_engine_that_fails_is_ended_reported_and_started_again_for_what_is_missing(
    tmp_path: Path, how: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    script(tmp_path, engine=[(2, how), (None, "")])
    assert answers(tmp_path) == list("abcd")
    assert len(starts(tmp_path, "engine")) == 2
    assert caplog.records[0].levelname == "WARNING"
    assert all(part in caplog.text for part in said.split(".*"))
    pids = [pid for pid, _ in starts(tmp_path, "engine")]
    if how == "hang":
        pids.append(int((tmp_path / "log").read_text().split()[-1]))
    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), 5)


def test_an_engine_that_hangs_before_it_is_ready_is_started_again(tmp_path: Path) -> None:
    script(tmp_path, engine=[(-1, "hang"), (None, "")])
    assert answers(tmp_path, Watchdog(start_s=3.0, starts=8)) == list("abcd")
    assert len(starts(tmp_path, "engine")) >= 2


def test_an_engine_out_of_memory_decodes_half_as_many_at_once_until_it_fits(tmp_path: Path) -> None:
    """A real limit: 32 sequences want 1 GiB, 16 half of it, and 640 MiB is all that there is."""
    script(tmp_path, engine=[(1, "memory")])
    assert answers(tmp_path) == list("abcd")
    assert [batch for _, batch in starts(tmp_path, "engine")] == [32, 16]
    assert "MemoryError" in (tmp_path / "log").read_text()


def trained(runs: Path) -> tuple[TrainResult, list[int]]:
    """Return what a scripted training comes to, and the steps that it told."""
    told: list[int] = []
    settings = config.load("smoke", ["train.batch_size=4"])
    job = TrainJob(
        model=runs / "script", parent=None, examples=[], section=settings.train, seed=1,
        out=runs / "out", checkpoints=runs / "work",
    )  # fmt: skip
    result = train(
        job, runs / "log", lambda step: told.append(int(step["step"] or 0)),
        module="tests.faulty_worker", watchdog=PATIENCE,
    )  # fmt: skip
    return result, told


@pytest.mark.parametrize("how", ["hang", "nonsense", "crash"])
def test_a_training_that_fails_is_ended_reported_and_goes_on(
    tmp_path: Path, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    script(tmp_path, trainer=[(3, how), (None, "")])
    result, told = trained(tmp_path)
    assert (result.outcome, told) == ("trained", [1, 2, 3, 4, 5, 6])
    assert [batch for _, batch in starts(tmp_path, "trainer")] == [4, 4]
    assert "worker tests.faulty_worker" in caplog.text
    assert "the end of its log" in caplog.text


def test_a_loop_whose_workers_fail_in_every_way_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    script(
        tmp_path,
        engine=[(2, "hang"), (2, "garbage"), (1, "killed"), (1, "nonsense"), (None, "")],
        trainer=[(3, "garbage"), (5, "killed"), (None, "")],
    )
    assert faulty_loop.run(tmp_path, "a", 1) == 0
    assert len(starts(tmp_path, "trainer")) == 3
    assert rows(database(tmp_path)) == undisturbed()


# -- the sandbox ----------------------------------------------------------------------------------------------------


@pytest.mark.isolation
def test_jails_that_stand_still_are_replaced_and_every_execution_gets_its_verdict(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert faulty_loop.run(tmp_path, "a", 1, "jails:SIGSTOP@test") == 0
    assert "the sandbox has finished no execution for 3 s; starting it again" in caplog.text
    assert rows(database(tmp_path)) == undisturbed()


# -- the whole run --------------------------------------------------------------------------------------------------


def tree(process: subprocess.Popen[str]) -> list[psutil.Process]:
    parent = psutil.Process(process.pid)
    return [parent, *parent.children(recursive=True)]


def signal_all(processes: list[psutil.Process], number: int) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def test_a_run_that_was_stopped_and_continued_neither_restarts_workers_nor_changes_a_verdict(tmp_path: Path) -> None:
    """SIGSTOP for longer than every deadline, in the midst of executions and while the engine is being waited for."""
    script(tmp_path, engine=[(4, "pause"), (None, "")])  # the first problem has its codes and tests by then
    (tmp_path / "slow").touch()
    process = start(tmp_path)
    log = tmp_path / "a" / "logs" / "generate.log"
    until((tmp_path / "script" / "engine-starts").exists)
    stopped = tree(process)  # takes a moment, so it is made beforehand
    until(lambda: "pausing" in log.read_text())
    signal_all(stopped, signal.SIGSTOP)
    time.sleep(5.0)
    signal_all(stopped[:1], signal.SIGCONT)  # who waits is awake before those that are waited for
    time.sleep(0.7)
    signal_all(stopped, signal.SIGCONT)
    result = finish(process)
    assert result.returncode == 0, result.stderr
    assert "again" not in result.stderr
    assert len(starts(tmp_path, "engine")) == 2  # the champion's and the candidate's
    matrices = [row[:-2] for row in rows(database(tmp_path))["matrices"]]
    assert matrices == [row[:-2] for row in undisturbed()["matrices"]]
    with Store.open(database(tmp_path), read_only=True) as store:
        assert store.count(Execution, status="timeout") == 0


def test_of_two_starts_at_once_one_runs_and_the_other_is_refused_with_its_process_id(tmp_path: Path) -> None:
    both = [start(tmp_path, "hold@code") for _ in range(2)]
    until(lambda: any(process.poll() is not None for process in both))
    (loser,) = [process for process in both if process.poll() is not None]
    (winner,) = [process for process in both if process is not loser]
    refused = finish(loser)
    assert refused.returncode == 2
    (message,) = refused.stderr.splitlines()
    assert message.startswith(f"error: run 'a' is in use by process {winner.pid}; wait for it or choose another name")
    until((tmp_path / "reached").exists)
    (tmp_path / "go").touch()
    assert finish(winner).returncode == 0
    assert rows(database(tmp_path)) == undisturbed()


def test_a_stop_that_reaches_workers_and_run_alike_is_a_stop_and_costs_no_round(tmp_path: Path) -> None:
    """As a service manager does it: SIGTERM to every process."""
    once = "watchdog.starts=1"
    script(tmp_path, engine=[(2, "hang"), (None, "")])
    process = start(tmp_path, "none", once)
    log = tmp_path / "a" / "logs" / "generate.log"
    until(lambda: log.exists() and "waiting for" in log.read_text())
    signal_all(tree(process), signal.SIGTERM)
    result = finish(process)
    assert result.returncode == 0, result.stderr
    assert outcomes(tmp_path) == [(None, "")]
    assert faulty_loop.run(tmp_path, "a", 1, "none", once) == 0
    assert outcomes(tmp_path)[0][0] == "kept"


@contextlib.contextmanager
def on_a_terminal(words: list[str], *, deaf: bool = False) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start a command as the foreground of a terminal of its own; yield it with the terminal's other side."""
    ours, theirs = pty.openpty()

    def attach() -> None:
        os.setsid()
        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
        if deaf:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        else:  # the tests themselves may run under nohup
            signal.signal(signal.SIGHUP, signal.SIG_DFL)

    process = subprocess.Popen(
        words, cwd=ROOT, env=environment() | {"TERM": "xterm"},
        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, preexec_fn=attach,
    )  # fmt: skip
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("deaf", [False, True])
def test_a_run_that_loses_its_terminal_stops_in_good_order_and_under_nohup_goes_on(tmp_path: Path, deaf: bool) -> None:
    with on_a_terminal(command(tmp_path, "hold@test"), deaf=deaf) as (process, terminal):
        os.set_blocking(terminal, False)
        drawn = b""
        while not ((tmp_path / "reached").exists() and b"round 1 of 1" in drawn):
            assert process.poll() is None, drawn
            with contextlib.suppress(BlockingIOError):
                drawn += os.read(terminal, 1 << 16)
            time.sleep(0.02)
        os.close(terminal)
        time.sleep(1.0)
        (tmp_path / "go").touch()
        assert process.wait(60) == 0
    log = (tmp_path / "a" / "logs" / "run.log").read_text()
    assert "Traceback" not in log
    with Store.open(database(tmp_path), read_only=True) as store:
        assert store.all(Round)[0].outcome == ("kept" if deaf else None)
        assert store.count(Reply) > 9
    if not deaf:
        assert "signal 1: stopping after the unit of work in hand" in log
        assert "stopped; continue with the same command" in log
        assert faulty_loop.run(tmp_path, "a", 1) == 0
    assert rows(database(tmp_path)) == undisturbed()


def test_a_sandbox_that_cannot_be_started_again_costs_the_round_and_three_of_them_stop_the_run(tmp_path: Path) -> None:
    result = suffer(tmp_path, "no-jails@test", rounds=5)
    assert result.returncode == 3, result.stderr
    last = result.stderr.splitlines()[-1]
    assert last.startswith("error: rounds 1 to 3 were abandoned one after the other, the last: abandoned in ")
    assert "the sandbox cannot start at level bwrap" in last
