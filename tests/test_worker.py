"""Workers, with real child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from selfplay.channel import Json
from selfplay.errors import DiskFailed
from selfplay.worker import Worker
from selfplay.worker_death import WorkerDied
from selfplay.worker_environment import ROOT, cpu_environment

Start = Callable[..., Worker]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Return a function that starts a worker whose `main(job, channel)` has the given body."""

    def begin(body: str, job: Json | None = None, **options: float) -> Worker:
        write_module(tmp_path, body)
        path = f"{tmp_path}{os.pathsep}{ROOT}"
        return Worker("child_module", job or {}, log=tmp_path / "log", env={"PYTHONPATH": path}, **options)

    return begin


def write_module(folder: Path, body: str) -> None:
    head = "import os, signal, subprocess, sys, time, threading\nfrom selfplay.channel import serve\n"
    text = f"{head}def main(job, channel):\n{textwrap.indent(textwrap.dedent(body), '    ')}\nserve(main)\n"
    (folder / "child_module.py").write_text(text)


def gone_within(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_messages_go_both_ways_and_end_when_the_worker_does(start: Start) -> None:
    body = """
    channel.send({"job": job["name"]})
    print("for the log")
    channel.send({"heard": channel.receive()["text"]})
    """
    with start(body, {"name": "tea"}) as worker:
        messages = worker.messages()
        assert next(messages) == {"job": "tea"}
        worker.send({"text": "zwölf\n" * 100_000})
        assert list(messages) == [{"heard": "zwölf\n" * 100_000}]
        assert worker.log.read_text() == "for the log\n"


def test_large_messages_in_both_directions_at_once_do_not_block(start: Start) -> None:
    with start('channel.send({"big": "x" * 3_000_000})\nchannel.send(channel.receive())') as worker:
        worker.send({"big": "y" * 3_000_000})
        assert [len(message["big"]) for message in worker.messages()] == [3_000_000, 3_000_000]


def test_a_crash_raises_with_status_and_the_end_of_the_log(start: Start) -> None:
    with start('channel.send({"n": 1})\nraise ValueError("weights are bent")') as worker:
        messages = worker.messages()
        assert next(messages) == {"n": 1}
        with pytest.raises(WorkerDied, match=r"child_module ended with status 1[\s\S]*weights are bent") as caught:
            next(messages)
    assert caught.value.status == 1
    assert not caught.value.out_of_memory


def test_a_worker_that_cannot_be_imported_raises(tmp_path: Path) -> None:
    with (
        Worker("no_such_module_here", {}, log=tmp_path / "log") as worker,
        pytest.raises(WorkerDied, match="No module named"),
    ):
        next(worker.messages())


def test_sending_to_a_dead_worker_raises(start: Start) -> None:
    with start("os._exit(7)") as worker:
        assert gone_within(worker.pid, 5)
        with pytest.raises(WorkerDied, match="status 7"):
            worker.send({"text": "hello"})


@pytest.mark.parametrize(
    "body",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "raise MemoryError",
        "raise RuntimeError('CUDA out of memory. Tried to allocate 2.00 GiB')",
        'raise RuntimeError("[enforce fail] DefaultCPUAllocator: can\'t allocate memory: you tried")',
    ],
)
def test_running_out_of_memory_is_recognised(start: Start, body: str) -> None:
    with start(body) as worker, pytest.raises(WorkerDied, match="out of memory") as caught:
        list(worker.messages())
    assert caught.value.out_of_memory


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (
            "No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing",
            "raise generate.gpu_memory_frac",
        ),
        (
            "To serve at least one request with the model's max seq len (32768), (1.75 GiB KV cache is needed, which "
            "is larger than the available KV cache memory (0.4 GiB). Based on",
            "lower model.max_len",
        ),
        (
            "Free memory on device cuda:0 (3.1/23.6 GiB) on startup is less than desired GPU memory utilization (0.9, "
            "21.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
            "end other programs on the card, or lower generate.gpu_memory_frac",
        ),
        (
            "Available memory on node 0 (1.1/16.0 GiB) on kv cache allocation is less than requested memory for kv "
            "(2.0 GiB). Decrease --kv-cache-memory-bytes",
            "lower generate.kv_cache_gib",
        ),
    ],
)
def test_an_engine_without_room_for_its_cache_is_out_of_memory_and_says_what_helps(
    start: Start, words: str, advice: str
) -> None:
    """As vLLM 0.32.0 says it (v1/core/kv_cache_utils.py, v1/worker/utils.py, v1/worker/cpu_worker.py)."""
    with start(f"raise ValueError({words!r})") as worker, pytest.raises(WorkerDied, match="out of memory") as caught:
        list(worker.messages())
    assert caught.value.out_of_memory
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_earlier_start_in_the_same_log_is_not_blamed(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log").write_text("torch.OutOfMemoryError: CUDA out of memory\n")
    with start("os._exit(1)") as worker, pytest.raises(WorkerDied) as caught:
        list(worker.messages())
    assert not caught.value.out_of_memory


def test_silence_beyond_the_deadline_ends_the_worker(start: Start) -> None:
    with start('channel.send({"n": 1})\ntime.sleep(60)', deadline_s=1.0) as worker:
        messages = worker.messages()
        assert next(messages) == {"n": 1}
        with pytest.raises(WorkerDied, match="said nothing for 1 s"):
            next(messages)
        assert gone_within(worker.pid, 0.1)


def test_a_death_is_noticed_though_a_grandchild_holds_the_pipe_open(start: Start) -> None:
    body = """
    if os.fork() == 0:
        time.sleep(60)
    channel.send({"n": 1})
    os._exit(3)
    """
    begun = time.monotonic()
    with start(body) as worker, pytest.raises(WorkerDied, match="status 3"):
        list(worker.messages())
    assert time.monotonic() - begun < 30


def test_closing_ends_the_whole_tree_even_if_it_ignores_sigterm(start: Start) -> None:
    body = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    same = subprocess.Popen(["sleep", "60"])
    other = subprocess.Popen(["sleep", "60"], start_new_session=True)
    channel.send({"pids": [same.pid, other.pid]})
    time.sleep(60)
    """
    worker = start(body)
    pids = [worker.pid, *next(worker.messages())["pids"]]
    worker.close()
    assert all(gone_within(pid, 2) for pid in pids)
    worker.close()


@pytest.mark.parametrize("busy", ["time.sleep(60)", "while True: pass", "sum(range(10 ** 12))"])
def test_a_worker_is_gone_within_two_seconds_of_its_parents_death(tmp_path: Path, busy: str) -> None:
    body = f"""
    helper = subprocess.Popen(["sleep", "60"])
    channel.send({{"pids": [os.getpid(), helper.pid]}})
    {busy}
    """
    write_module(tmp_path, body)
    path = f"{tmp_path}{os.pathsep}{ROOT}"
    parent = f"""
import threading, time
from pathlib import Path
from selfplay.worker import Worker
started = []
def begin():
    started.append(Worker("child_module", {{}}, log=Path({str(tmp_path / "log")!r}), env={{"PYTHONPATH": {path!r}}}))
thread = threading.Thread(target=begin)
thread.start()
thread.join()
print(*next(started[0].messages())["pids"], flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 2
    time.sleep(0.3)
    assert all(psutil.pid_exists(pid) for pid in pids), "the end of the thread that started a worker must not end it"
    process.kill()
    process.wait()
    process.stdout.close()
    assert all(gone_within(pid, 2) for pid in pids)


def test_a_terminals_interrupt_does_not_reach_the_worker(start: Start) -> None:
    with start('channel.send({"session": os.getsid(0), "pid": os.getpid()})') as worker:
        message = next(worker.messages())
    assert message["session"] == message["pid"] != os.getsid(0)


def test_the_environment_is_a_short_list_without_secrets(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "LD_PRELOAD", "HTTPS_PROXY", "PYTHONSTARTUP"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MY_API_KEY", "hunter2")
    with start('channel.send(dict(os.environ))\nchannel.send({"argv": sys.argv})') as worker:
        seen, argv = worker.messages()
    allowed = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR", "XDG_CACHE_HOME", "HF_HOME"}
    allowed |= {"LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "PYTHONPATH", "PYTHONUNBUFFERED", "DO_NOT_TRACK"}
    allowed |= {"HF_HUB_DISABLE_TELEMETRY", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "VLLM_NO_USAGE_STATS"}
    assert set(seen) <= allowed
    assert "hunter2" not in repr((seen, argv))


def test_the_cpu_environment_names_every_core_it_is_given() -> None:
    settings = cpu_environment([3, 1])
    assert settings["VLLM_CPU_OMP_THREADS_BIND"] == "1,3"
    assert settings["OMP_NUM_THREADS"] == "2"
    assert settings["VLLM_CPU_NUM_OF_RESERVED_CPU"] == "0"
    assert all(Path(name).is_file() for name in settings.get("LD_PRELOAD", "").split(":") if name)
    assert cpu_environment()["OMP_NUM_THREADS"] == str(len(os.sched_getaffinity(0)))


def test_a_worker_that_is_killed_from_outside_says_so(start: Start) -> None:
    with start('channel.send({"n": 1})\ntime.sleep(60)') as worker:
        messages = worker.messages()
        next(messages)
        os.kill(worker.pid, signal.SIGTERM)
        with pytest.raises(WorkerDied, match="SIGTERM") as caught:
            next(messages)
    assert not caught.value.out_of_memory


@pytest.mark.parametrize("sent", [b"\xff\xfe{\n", b"[1, 2]\n", b"null\n", b"{\n", b"[" * 100_000 + b"\n"])
def test_what_is_no_message_ends_the_worker_and_is_shown(start: Start, sent: bytes) -> None:
    with start(f"os.write(channel._write_fd, {sent!r})\ntime.sleep(60)") as worker:
        with pytest.raises(WorkerDied, match="sent what is no message") as caught:
            next(worker.messages())
        assert caught.value.status is None
        assert gone_within(worker.pid, 0.1)


def test_a_line_without_an_end_is_not_collected_for_ever(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("selfplay.worker.MESSAGE_BYTES", 1 << 18)
    body = "while True:\n    os.write(channel._write_fd, b'x' * 65536)"
    with start(body) as worker, pytest.raises(WorkerDied, match=r"sent what is no message \(b'xxx"):
        next(worker.messages())


def test_a_worker_that_never_leaves_after_closing_its_pipe_is_ended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("selfplay.worker.EXIT_S", 0.5)
    with start("os.close(channel._write_fd)\ntime.sleep(60)") as worker:
        with pytest.raises(WorkerDied, match="closed its pipe and did not end within"):
            next(worker.messages())
        assert gone_within(worker.pid, 0.1)


def test_a_worker_that_no_longer_reads_does_not_block_the_parent(start: Start) -> None:
    with start('channel.send({"n": 1})\ntime.sleep(60)', deadline_s=1.0) as worker:
        next(worker.messages())
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerDied, match="said nothing for 1 s"):
            worker.send({"big": "x" * 3_000_000})
        assert gone_within(worker.pid, 0.1)


@pytest.mark.parametrize("sign", ["No space left on device", "Input/output error", "Read-only file system"])
def test_a_death_of_the_disk_is_told_apart_from_other_deaths(start: Start, sign: str) -> None:
    with start(f"raise OSError({sign!r})") as worker, pytest.raises(DiskFailed, match=sign) as caught:
        list(worker.messages())
    assert "repeat the same command" in str(caught.value)
    assert "\n" not in str(caught.value)
