"""The judge's side: runs tests in processes that never see the candidate's code.

A session reads its tests once, compiles them, and then judges one row (one code) after another: for each cell it forks
a process that runs the test against stand-ins, waits for it with a deadline, and reports to the host what it saw. Tests
that can leave nothing behind (asserts of plain expressions) share one process a row.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import struct
import time
from typing import Any, NoReturn

from . import wire
from .outcome import classify
from .peer import Died
from .proxies import JudgePeer, Unsplittable
from .repeatable import random
from .testing import Test, compile_test, run_test

TESTS_BYTES = 256 << 20
RECORD_BYTES = 1 << 16
LINK_BYTES = 1 << 14
GRACE_S = 2.0
LAST_BREATH_S = 0.5


def warm_up() -> None:
    """Run everything once that a child would otherwise run for the first time."""
    test = compile_test("def check(c):\n    assert c([1, 2.5, 'a']) == {'a': (1, {2})}, 'x'\ncheck(f)\n")
    if test.code is None:
        raise RuntimeError(test.error)
    ours, theirs = socket.socketpair()
    peer = JudgePeer(ours, 1 << 20)
    wire.send(theirs, {"ok": wire.encode({"a": (1, {2})})})
    run_test(test, {"f": peer.function("f")})
    ours.close()
    theirs.close()


def main(host: socket.socket) -> None:
    """Judge the rows that the host sends, until it hangs up."""
    session = Session(host, wire.receive(host, TESTS_BYTES))
    wire.send(host, {"compiled": len(session.tests)})
    while True:
        try:
            message, fds = wire.receive_fds(host, 1 << 20, 1)
        except wire.Closed:
            return
        link = socket.socket(fileno=fds[0])
        session.row(link, message["row"])
        link.close()


class Session:
    """The tests of one matrix."""

    def __init__(self, host: socket.socket, message: dict[str, Any]) -> None:
        self.host = host
        self.tests = [compile_test(source) for source in message["tests"]]
        self.entry_point: str = message["entry_point"]
        self.seed: int = message["seed"]
        self.wall_s: float = message["wall_s"]
        self.cpu_s: int = message["cpu_s"]
        self.value_bytes: int = message["value_bytes"]

    def row(self, link: socket.socket, cells: list[int]) -> None:
        """Judge the cells of one row, and tell the host of each; the last message says how the row ended."""
        reader = Reader(link)
        started = time.monotonic()
        loaded = reader.message(started + self.wall_s)
        wall_s = time.monotonic() - started
        match loaded:
            case {"load": "ok", "class": bool() as is_class}:
                pass
            case {"load": ("syntax_error" | "exception" | "memory" | "output") as status, "detail": str() as detail}:
                return self._end(status, detail, wall_s)
            case None:
                return self._end("timeout" if not reader.closed else "died", "", wall_s)
            case _:
                return self._end("tampered", "malformed message while loading", wall_s)
        for group in self._groups(cells):
            if not self._group(reader, group, is_class):
                return self._end("broken", "", 0.0)
        return self._end("finished", "", 0.0)

    def _end(self, status: str, detail: str, wall_s: float) -> None:
        wire.send(self.host, {"row": status, "detail": detail[:300], "wall_s": wall_s})

    def _groups(self, cells: list[int]) -> list[list[int]]:
        """Return the cells in order, those that can share a process together."""
        groups: list[list[int]] = []
        for cell in cells:
            simple = self.tests[cell].simple
            if simple and groups and self.tests[groups[-1][-1]].simple:
                groups[-1].append(cell)
            else:
                groups.append([cell])
        return groups

    def _group(self, reader: Reader, cells: list[int], is_class: bool) -> bool:
        """Judge cells in one process of the judge's; return whether the code side can go on."""
        attempt = self._fork(reader.sock, cells, is_class)
        for cell in cells:
            started = time.monotonic()
            status, detail = attempt.record(cell, started + self.wall_s)
            if status in ("timeout", "ended"):
                status, detail = attempt.bury(kill=status == "timeout")
                self._tell(cell, status, detail, started, attempt)
                return False
            done = self._done(reader, cell) if status != "unasked" else {}
            if done is None:
                self._tell(cell, status, detail, started, attempt)
                attempt.bury(kill=True)
                return False
            self._tell(cell, "syntax_error" if status == "unasked" else status, detail, started, attempt, done)
        attempt.bury(kill=True)
        return True

    @staticmethod
    def _done(reader: Reader, cell: int) -> dict[str, Any] | None:
        """Return what the code side says of the process that served this cell."""
        match reader.message(time.monotonic() + GRACE_S):
            case (done, status, cpu_s, rss):
                return {"status": status, "cpu_s": cpu_s, "rss": rss} if done == cell else None
        return None

    def _tell(
        self,
        cell: int,
        status: str,
        detail: str,
        started: float,
        attempt: Attempt,
        done: dict[str, Any] | None = None,
    ) -> None:
        """Send the host one result."""
        code_cpu_s = max(done["cpu_s"], 0.0) if done else 0.0
        message = {
            "cell": cell,
            "status": status,
            "detail": detail,
            "wall_s": time.monotonic() - started,
            "cpu_s": attempt.cpu_s + code_cpu_s,
            "code_cpu_s": code_cpu_s,
            "rss": done["rss"] if done else attempt.rss,
            "code": done["status"] if done else None,
        }
        wire.send(self.host, message)

    def _fork(self, link: socket.socket, cells: list[int], is_class: bool) -> Attempt:
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            self.host.close()
            os.close(ours)
            self._attempt(link, cells, theirs, is_class)
        os.close(theirs)
        return Attempt(pid, ours)

    def _attempt(self, link: socket.socket, cells: list[int], record: int, is_class: bool) -> NoReturn:
        """Run the tests and write one record each; leave with status 0 only after the last."""
        status = 73
        try:
            limit = self.cpu_s * len(cells)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            for cell in cells:
                before = time.process_time()
                outcome = self._outcome(link, cell, is_class)
                os.write(record, wire.pack([cell, *outcome, time.process_time() - before]))
            status = 0
        finally:
            os._exit(status)

    def _outcome(self, link: socket.socket, cell: int, is_class: bool) -> list[str]:
        test = self.tests[cell]
        if test.code is None:
            return ["unasked", f"the test: {test.error}"]
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    wire.send(link, {"cell": cell}, [theirs.fileno()])
                except (wire.Closed, OSError):
                    return ["died", ""]
            if not test.simple:
                link.close()
            random.seed(self.seed)
            return _judge(test, JudgePeer(ours, self.value_bytes), self.entry_point, is_class)


def _judge(test: Test, peer: JudgePeer, entry_point: str, is_class: bool) -> list[str]:
    status, detail = "passed", ""
    try:
        names: dict[str, object] = {} if is_class else {entry_point: peer.function(entry_point)}
        wanted = [name for name in test.free if name not in names]
        if wanted:
            names |= peer.names(wanted)
        run_test(test, names)
    except (Died, Unsplittable):
        pass
    except BaseException as error:  # noqa: BLE001 (whatever the test raises is its outcome)
        status, detail = classify(error, testing=True)
    if peer.unsplittable is not None:
        return ["unsplittable", peer.unsplittable[:300]]
    if peer.dead is not None:
        return (
            ["died", ""]
            if peer.dead == "ended"
            else ["output", ""]
            if peer.dead == "output"
            else ["tampered", peer.dead[:300]]
        )
    if peer.output is not None:
        return ["output", peer.output]
    return [status, detail]


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
        """Return the status and detail written for the cell; "timeout" or "ended" where there is no record."""
        size = wire.HEADER.size
        while True:
            if len(self.data) >= size:
                end = size + wire.HEADER.unpack(self.data[:size])[0]
                if len(self.data) >= end:
                    body, self.data = self.data[size:end], self.data[end:]
                    which, status, detail, self.cpu_s = wire.unpack(body)
                    return ("ended", "") if which != cell else (status, detail)
            left = deadline - time.monotonic()
            if left <= 0 or not self.poll.poll(left * 1000):
                return "timeout", ""
            part = os.read(self.pipe, RECORD_BYTES)
            if not part:
                return "ended", ""
            self.data += part

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
        return "crashed", f"the test was ended by {signal.Signals(number).name}"


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
