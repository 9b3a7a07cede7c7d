"""What a judge's session works with: a process that runs tests, an alarm for those that need none, a patient ear."""

from __future__ import annotations

import os
import select
import signal
import socket
import struct
import time
import types
from dataclasses import dataclass
from typing import Self

from . import wire

RECORD_BYTES = 1 << 16
LINK_BYTES = 1 << 14
LAST_BREATH_S = 0.5


class Expired(BaseException):
    """The alarm of a test that runs in the session's own process."""


class Alarm:
    """Ends the block when its wall or CPU time is up; what swallows the exception meets it again."""

    AGAIN_S = 0.2
    TIMERS = ((signal.ITIMER_REAL, signal.SIGALRM), (signal.ITIMER_PROF, signal.SIGPROF))

    def __init__(self) -> None:
        """Set the handlers of its signals, which stay."""
        self.seconds = (0.0, 0.0)
        self.on = False
        for _timer, number in self.TIMERS:
            signal.signal(number, self._ring)

    def within(self, wall_s: float, cpu_s: float) -> Self:
        """Return it, set to these times."""
        self.seconds = (wall_s, cpu_s)
        return self

    def __enter__(self) -> None:
        self.on = True
        for (timer, _number), seconds in zip(self.TIMERS, self.seconds, strict=True):
            signal.setitimer(timer, seconds, self.AGAIN_S)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self.on = False
        for timer, _number in self.TIMERS:
            signal.setitimer(timer, 0.0)
        return kind is Expired

    def _ring(self, _number: int, frame: types.FrameType | None) -> None:
        if self.on and (frame is None or frame.f_code is not Alarm.__exit__.__code__):
            raise Expired


@dataclass(frozen=True, slots=True)
class Used:
    """What a test used that had no process of its own."""

    cpu_s: float
    rss: int = 0


class Attempt:
    """One process that runs tests and writes a record for each."""

    def __init__(self, pid: int, pipe: int) -> None:
        self.pid = pid
        self.pipe = pipe
        self.data = b""
        self.ended = False
        self.cpu_s = 0.0
        self.rss = 0
        self.poll = select.poll()
        self.poll.register(pipe, select.POLLIN)

    def record(self, cell: int, deadline: float) -> tuple[str, str]:
        """Return the status and detail written for the cell; "timeout", "ended" or "garbled" where there is none."""
        size = wire.HEADER.size
        while True:
            if len(self.data) >= size:
                end = size + wire.HEADER.unpack(self.data[:size])[0]
                if end > RECORD_BYTES:
                    return "garbled", ""
                if len(self.data) >= end:
                    body, self.data = self.data[size:end], self.data[end:]
                    return self._read(body, cell)
            left = deadline - time.monotonic()
            if left <= 0 or not self.poll.poll(left * 1000):
                return "timeout", ""
            part = os.read(self.pipe, RECORD_BYTES)
            if not part:
                return "ended", ""
            self.data += part

    def _read(self, body: bytes, cell: int) -> tuple[str, str]:
        try:
            which, status, detail, cpu_s = wire.unpack(body)
        except (ValueError, TypeError):
            return "garbled", ""
        if which != cell or not isinstance(status, str) or not isinstance(detail, str) or type(cpu_s) is not float:
            return "garbled", ""
        self.cpu_s = cpu_s
        return status, detail

    def bury(self, *, kill: bool) -> tuple[str, str]:
        """End and reap the process; return what its end means for a cell without a record."""
        os.close(self.pipe)
        patience = time.monotonic() + (0.0 if kill else LAST_BREATH_S)
        pid = 0
        while pid == 0 and time.monotonic() < patience:
            pid, code, usage = os.wait4(self.pid, os.WNOHANG)
            time.sleep(0.0 if pid else 0.001)
        if pid == 0:
            os.kill(self.pid, signal.SIGKILL)
            _, code, usage = os.wait4(self.pid, 0)
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.rss = usage.ru_maxrss * 1024
        if kill:
            return "timeout", ""
        if not os.WIFSIGNALED(code):
            return "crashed", "the test ended its own process"
        number = os.WTERMSIG(code)
        if number in (signal.SIGXCPU, signal.SIGKILL):
            return "timeout", "CPU time ran out in the test"
        return "crashed", f"the test was ended by signal {number}"


class Reader:
    """Whole messages from a sender that is not to be trusted with our time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.closed = False

    def message(self, deadline: float) -> object:
        """Return the next message; None at the deadline or the end; False if it is not one. A `DONE` is a tuple."""
        while True:
            if len(self.buffer) >= wire.HEADER.size:
                size = wire.HEADER.unpack(self.buffer[: wire.HEADER.size])[0] + wire.HEADER.size
                if size > LINK_BYTES:
                    return False
                if len(self.buffer) >= size:
                    body, self.buffer = self.buffer[wire.HEADER.size : size], self.buffer[size:]
                    try:
                        return wire.DONE.unpack(body) if body[:1] == b"\0" else wire.unpack(body)
                    except (wire.WireError, struct.error):
                        return False
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.sock.settimeout(left)
            try:
                part = self.sock.recv(LINK_BYTES)
            except TimeoutError:
                return None
            except OSError:
                part = b""
            finally:
                self.sock.settimeout(None)
            if not part:
                self.closed = True
                return None
            self.buffer += part
