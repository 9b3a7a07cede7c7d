"""Child processes that hold a model: started clean, heard over pipes, ended whole.

A worker is `python -m MODULE` in a session of its own, so that Ctrl-C at a terminal reaches the parent alone. Its
environment is built from a short list, its standard output and error go to a log file, and it talks JSON lines over two
pipes that nothing else writes to. It cannot outlive its parent: the kernel kills its process group when the parent's
end of a third pipe closes, however the parent ended.

The worker's side is channel.py.

Not covered: a worker's descendants that move to a session of their own outlive a parent that is killed;
`Worker.close` ends those as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from selfplay import worker_files
from selfplay.channel import Json
from selfplay.errors import HostError

KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
)
"""What a worker's environment takes from the parent's; everything else, tokens and proxies included, is left behind."""

ROOT = Path(__file__).resolve().parent.parent
MEMORY_SIGNS = (
    "CUDA out of memory",
    "MemoryError",
    "OutOfMemoryError",
    "can't allocate memory",
    "Cannot allocate memory",
)
GRACE_S = 3.0
"""Time between SIGTERM and SIGKILL."""
POLL_S = 0.2
TAIL_LINES = 25
SCAN_BYTES = 65536


class WorkerDied(HostError):  # noqa: N818
    """A model process ended, or fell silent, before its answer.

    Attributes:
        status: Exit status; negative is the signal that ended it; None if it was silent for too long.
        log_tail: Last lines of what the process wrote.
        out_of_memory: The host or the device ran out of memory, as far as can be told.
    """

    def __init__(
        self, module: str, status: int | None, log: Path, log_tail: str, *, silent_s: float | None = None
    ) -> None:
        self.status = status
        self.log_tail = log_tail
        self.out_of_memory = status == -signal.SIGKILL or any(sign in log_tail for sign in MEMORY_SIGNS)
        if status is None:
            how = f"said nothing for {silent_s:.0f} s"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with status {status}"
        memory = " (out of memory)" if self.out_of_memory else ""
        last = "\n".join(log_tail.splitlines()[-TAIL_LINES:])
        super().__init__(f"worker {module} {how}{memory}; its log is {log}, and ends:\n{last}")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a worker's whole environment: the kept names, what every worker is told, and `extra` on top."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    told = {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
    }
    return {**kept, **told, **(extra or {})}


def cpu_environment(cores: Sequence[int] | None = None) -> dict[str, str]:
    """Return the variables that make torch and vLLM fast on a CPU.

    Args:
        cores: Core numbers to run on; None is every core this process may use.

    Returns:
        One thread a core, none kept back; Intel's OpenMP and, where the system has it, tcmalloc, both preloaded.
    """
    used = sorted(cores if cores is not None else os.sched_getaffinity(0))
    libraries = preloads()
    return {
        "OMP_NUM_THREADS": str(len(used)),
        "KMP_BLOCKTIME": "5",
        "KMP_TPAUSE": "0",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, used)),
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        **({"LD_PRELOAD": ":".join(map(str, libraries))} if libraries else {}),
    }


def preloads() -> list[Path]:
    """Return the allocator and the OpenMP library to preload on a CPU: whichever of the two this machine has."""
    folders = [*sorted(Path("/usr/lib").glob("*-linux-gnu")), Path("/usr/lib64")]
    names = ("libtcmalloc_minimal.so*", "libtcmalloc.so*")
    tcmalloc = [hit for name in names for folder in folders for hit in sorted(folder.glob(name))]
    openmp = Path(sys.prefix) / "lib" / "libiomp5.so"
    return tcmalloc[:1] + ([openmp] if openmp.is_file() else [])


class Worker:
    """A running child process that has been given its job."""

    def __init__(
        self,
        module: str,
        job: Json,
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Start `python -m module` and send it `job`.

        Args:
            module: Importable name of a module that ends in `serve(main)`.
            job: First message to the worker.
            log: File to which everything the process prints is appended.
            env: Variables beyond the short list of `environment`.
            deadline_s: Longest silence between two messages; None waits for ever.
        """
        self.module, self.log, self.deadline_s = module, log, deadline_s
        log.parent.mkdir(parents=True, exist_ok=True)
        child_in, self._to_child = os.pipe()
        self._from_child, child_out = os.pipe()
        life, self._life = os.pipe()
        self._buffer = b""
        passed = (child_in, child_out, life)
        with log.open("ab") as sink:
            self._log_start = sink.tell()
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", module, "--channel", ",".join(map(str, passed))],
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env=environment(env) | worker_files.temporary_folder(log),
                    pass_fds=passed,
                    start_new_session=True,
                )
            finally:
                for descriptor in passed:
                    os.close(descriptor)
        self._closed = False
        self.send(job)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the worker's group and session."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the worker has neither ended nor been closed."""
        return not self._closed and not self._ended()

    def send(self, message: Json) -> None:
        """Write one message to the worker.

        Raises:
            WorkerDied: It is no longer there to read it.
        """
        data = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._to_child, data) :]
        except BrokenPipeError as error:
            raise self._died() from error

    def messages(self) -> Iterator[Json]:
        """Yield the worker's messages as they come; ends when the worker exits with status 0.

        Stop iterating and call again at will: nothing is lost in between.

        Raises:
            WorkerDied: Any other end, or silence for longer than the deadline.
        """
        while (line := self._line()) is not None:
            yield json.loads(line)

    def close(self) -> None:
        """End the worker and every descendant; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        try:
            family = psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            family = []
        if not self._ended():
            os.killpg(self.pid, signal.SIGTERM)
            end = time.monotonic() + GRACE_S
            while not self._ended() and time.monotonic() < end:
                time.sleep(0.02)
        self._reap()
        for process in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        for descriptor in (self._to_child, self._from_child, self._life):
            os.close(descriptor)
        worker_files.clear(self.log)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ended(self) -> bool:
        """Return whether the worker has ended, and leave its id taken."""
        if self._process.returncode is not None:
            return True
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _reap(self) -> int:
        """Return the exit status of the worker, ended by now at the latest, and its group with it."""
        if self._process.returncode is None:
            # The group is signalled before the id is given back: later it could be another's.
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait()

    def _line(self) -> bytes | None:
        """Return the next line, or None at a good end."""
        last_heard = time.monotonic()
        while b"\n" not in self._buffer:
            # Asked before looking: what the worker wrote last is then in the pipe. End of file alone would not do, as a
            # descendant may hold the pipe open after the worker's death.
            ended = self._ended()
            readable, _, _ = select.select([self._from_child], [], [], 0 if ended else POLL_S)
            data = os.read(self._from_child, 1 << 16) if readable else b""
            if data:
                self._buffer += data
                last_heard = time.monotonic()
            elif ended or readable:
                if self._wait() == 0:
                    return None
                raise self._died()
            silent_s = time.monotonic() - last_heard
            if self.deadline_s is not None and silent_s > self.deadline_s:
                self.close()
                raise WorkerDied(self.module, None, self.log, self._log_tail(), silent_s=silent_s)
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _died(self) -> WorkerDied:
        return WorkerDied(self.module, self._wait(), self.log, self._log_tail())

    def _wait(self) -> int:
        """Return the exit status of a worker that is about to end by itself."""
        while not self._ended():
            time.sleep(0.01)
        return self._reap()

    def _log_tail(self) -> str:
        with self.log.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(self._log_start, size - SCAN_BYTES))
            return stream.read().decode(errors="replace")
