"""Child processes that hold a model: started clean, heard over pipes, ended whole.

A worker is `python -m MODULE` in a session of its own, so that Ctrl-C at a terminal reaches the parent alone. Its
environment is built from a short list (worker_environment.py), its standard output and error go to a log file, and it
talks JSON lines over two pipes that nothing else writes to. It cannot outlive its parent: the kernel kills its process
group when the parent's end of a third pipe closes, however the parent ended.

The worker's side is channel.py.

A worker that keeps silent for longer than its deadline, or sends what is no message, is ended with its whole tree and
counts as dead. Where its last words are of a full or broken disk, `DiskFailed` is raised instead of `WorkerDied`:
starting it again would not help.

Not covered: a worker's descendants that move to a session of their own outlive a parent that is killed;
`Worker.close` ends those as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from selfplay import worker_files
from selfplay.channel import Json
from selfplay.errors import DiskFailed, HostError
from selfplay.watchdog import Silence
from selfplay.worker_death import DISK_SIGNS, WorkerDied, last_line
from selfplay.worker_environment import environment

FULL_BYTES = 1 << 20
"""With less than this left on the disk of its log, a worker that died is taken to have died of that."""
MESSAGE_BYTES = 1 << 28
"""No message is longer; what goes on without a line's end is garbage."""
GRACE_S = 3.0
"""Time between SIGTERM and SIGKILL."""
POLL_S = 0.2
EXIT_S = 60.0
"""Longest way to the exit, once a worker has closed its pipe."""
SCAN_BYTES = 65536


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
            deadline_s: Longest silence between two messages; None waits for ever. It may be set anew at any time.
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
        os.set_blocking(self._to_child, False)
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
            WorkerDied: It is no longer there to read it, or did not within the deadline.
        """
        data = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        silence = Silence()
        while data:
            try:
                data = data[os.write(self._to_child, data) :]
                silence.look(news=True)
            except BlockingIOError:
                select.select([], [self._to_child], [], POLL_S)
                self._heed(silence.look())
            except BrokenPipeError as error:
                raise self._died(self._wait()) from error

    def messages(self) -> Iterator[Json]:
        """Yield the worker's messages as they come; ends when the worker exits with status 0.

        Stop iterating and call again at will: nothing is lost in between.

        Raises:
            WorkerDied: Any other end, silence for longer than the deadline, or what is no message.
            DiskFailed: An end that came of a full or broken disk.
        """
        while (line := self._line()) is not None:
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                raise self.ended(f"sent what is no message ({line[:60]!r})")
            yield message

    def ended(self, how: str) -> HostError:
        """End the worker for what it did, and return the exception to raise for it."""
        self.close()
        return self._failure(how)

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
        silence = Silence()
        while b"\n" not in self._buffer:
            # Asked before looking: what the worker wrote last is then in the pipe. End of file alone would not do, as a
            # descendant may hold the pipe open after the worker's death.
            ended = self._ended()
            readable, _, _ = select.select([self._from_child], [], [], 0 if ended else POLL_S)
            data = os.read(self._from_child, 1 << 16) if readable else b""
            if data:
                self._buffer += data
                if len(self._buffer) > MESSAGE_BYTES:
                    raise self.ended(f"sent what is no message ({bytes(self._buffer[:60])!r})")
            elif ended or readable:
                status = self._wait()
                if status == 0:
                    return None
                raise self._died(status)
            self._heed(silence.look(news=bool(data)))
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _heed(self, silent_s: float) -> None:
        """End the worker if it has been silent for too long."""
        if self.deadline_s is not None and silent_s > self.deadline_s:
            raise self.ended(f"said nothing for {self.deadline_s:.0f} s")

    def _died(self, status: int | None) -> HostError:
        if status is None:
            return self._failure(f"closed its pipe and did not end within {EXIT_S:.0f} s")
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        return self._failure(how, status)

    def _wait(self) -> int | None:
        """Return the exit status of a worker that is about to end by itself; None for one that had to be ended."""
        silence = Silence()
        while not self._ended():
            if silence.look() > EXIT_S:
                self.close()
                return None
            time.sleep(0.01)
        return self._reap()

    def _failure(self, how: str, status: int | None = None) -> HostError:
        """Return what a worker's end means."""
        tail = self._log_tail()
        sign = next((sign for sign in DISK_SIGNS if sign in tail), None)
        if sign is None and shutil.disk_usage(self.log.parent).free < FULL_BYTES:
            sign = f"less than {FULL_BYTES >> 20} MiB left in {self.log.parent}"
        if sign is not None:
            return DiskFailed(
                f"worker {self.module} {how}, because a disk is full or broken ({sign}); its log {self.log} ends: "
                f"{last_line(tail)}. Make room or mend the disk, and repeat the same command"
            )
        return WorkerDied(self.module, how, self.log, tail, status=status)

    def _log_tail(self) -> str:
        try:
            with self.log.open("rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(self._log_start, size - SCAN_BYTES))
                return stream.read().decode(errors="replace")
        except OSError as error:
            return f"(cannot be read: {error.strerror or error})"
