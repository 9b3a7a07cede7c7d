"""The judge's side: runs tests in processes that never see the candidate's code.

A session reads the tests of a matrix once, compiles them, and then judges one row (one code) after another. For each
cell it forks a process that runs the test against stand-ins, waits for it with a deadline, and reports to the host what
it saw. Tests that can leave nothing behind (asserts of plain expressions) need no process: the session runs them
itself, under an alarm. Should one break the session all the same, the host starts another and has that row judged in
processes.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from typing import Any, NoReturn

from . import wire
from .attempts import Alarm, Attempt, Expired, Reader, Used
from .outcome import classify
from .peer import SHARED_MODULES, Died
from .proxies import JudgePeer, Unsplittable
from .repeatable import seed
from .testing import Test, compile_test, run_test

TESTS_BYTES = 256 << 20
GRACE_S = 2.0
FLUSH_S = 0.1
"""Results are sent together, and none is kept longer than this while others are found."""
MOST_CPU_S, MOST_BYTES = 1e6, 1 << 50
"""What a code side may say of itself."""
REHEARSALS = 20
ALARM = Alarm()


def warm_up() -> None:
    """Do often what a session does, so that the interpreter has adapted to it before the fork."""
    source = "def check(c):\n    assert c([1, 2.5, 'a']) == {'a': (1, {2})}, 'x'\ncheck(f)\n"
    for _ in range(REHEARSALS):
        test = compile_test(source)
        if test.code is None:
            raise RuntimeError(test.error)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            wire.send(theirs, {"ok": wire.encode({"a": (1, {2})})})
            run_test(test, {"f": JudgePeer(ours, 1 << 20).function("f")})


def main(host: socket.socket) -> None:
    """Judge the rows of the matrices that the host sends, one matrix after another, until it hangs up."""
    session: Session | None = None
    inbox = wire.Inbox(host, with_fds=True)
    while True:
        try:
            message = inbox.receive(TESTS_BYTES)
        except wire.Closed:
            return
        if "tests" in message:
            session = Session(host, message)
        elif session is not None:
            with wire.adopt(inbox.fds.pop()) as link:
                session.row(link, message["row"], tuple(message["limits"]), in_session=message["in_session"])


class Session:
    """The tests of one matrix."""

    def __init__(self, host: socket.socket, message: dict[str, Any]) -> None:
        self.host = host
        self.tests = [compile_test(source) for source in message["tests"]]
        self.entry_point: str = message["entry_point"]
        self.seed: int = message["seed"]
        self.wall_s = 0.0
        self.cpu_s = 0
        self.value_bytes: int = message["value_bytes"]
        self.unsent: list[bytes] = []
        self.sent = 0.0

    def row(self, link: socket.socket, cells: list[int], limits: tuple[float, int], *, in_session: bool) -> None:
        """Judge the cells of one row, and tell the host of each; the last message says how the row ended.

        Args:
            link: Connected to the process that runs the code.
            cells: Numbers of the tests.
            limits: Seconds of wall time and of CPU time, for loading the code and again for each test.
            in_session: Run simple tests here, without a process of their own.
        """
        self.wall_s, self.cpu_s = limits
        self.sent = time.monotonic()
        if not in_session:
            wire.send(self.host, {"compiled": len(self.tests)})
        reader = Reader(link)
        started = time.monotonic()
        loaded = reader.message(started + self.wall_s)
        wall_s = time.monotonic() - started
        match loaded:
            case {"load": "ok", "class": bool() as is_class}:
                pass
            case {"load": ("syntax_error" | "exception" | "memory" | "output") as status, "detail": str() as detail}:
                return self._end(status, detail, wall_s)
            case {"load": "alone"}:
                return self._end("alone", "", wall_s)
            case None:
                return self._end("timeout" if not reader.closed else "died", "", wall_s)
            case _:
                return self._end("tampered", "malformed message while loading", wall_s)
        for group in self._groups(cells):
            here = in_session and self.tests[group[0]].simple
            if here:
                judged = self._here(reader, group, is_class, over_link=len(cells) == 1)
            else:
                judged = self._group(reader, group, is_class)
            if not judged:
                return self._end("broken", "", 0.0)
        return self._end("finished", "", 0.0)

    def _end(self, status: str, detail: str, wall_s: float) -> None:
        self.unsent.append(wire.pack({"row": status, "detail": detail[:300], "wall_s": wall_s}))
        self._flush()

    def _flush(self) -> None:
        """Send the host what it has not been told yet."""
        self.host.sendall(b"".join(self.unsent))
        self.unsent, self.sent = [], time.monotonic()

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

    def _here(self, reader: Reader, cells: list[int], is_class: bool, *, over_link: bool) -> bool:
        """Judge cells in this process; return whether the code side can go on.

        Args:
            reader: Of the link to the code side.
            cells: Numbers of simple tests.
            is_class: The entry point is a class.
            over_link: There is one cell: no socket is needed to keep it from others.
        """
        for cell in cells:
            started, used = time.monotonic(), time.process_time()
            status, detail = "timeout", ""
            with ALARM.within(self.wall_s, self.cpu_s):
                status, detail = self._outcome(reader.sock, cell, is_class, over_link=over_link)
            done = self._done(reader, cell) if status != "timeout" else None
            self._tell(cell, status, detail, started, Used(time.process_time() - used), done)
            if done is None:
                return False
        return True

    def _group(self, reader: Reader, cells: list[int], is_class: bool) -> bool:
        """Judge cells in one process of the judge's; return whether the code side can go on."""
        attempt = self._fork(reader.sock, cells, is_class)
        for cell in cells:
            started = time.monotonic()
            status, detail = attempt.record(cell, started + self.wall_s)
            if status == "garbled":
                attempt.bury(kill=True)
                self._tell(cell, "tampered", "the test wrote where only the harness writes", started, attempt)
                return False
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
        message = reader.message(time.monotonic() + GRACE_S)
        if not isinstance(message, tuple) or message[0] != cell:  # `DONE` is a tuple; no JSON is
            return None
        _, status, cpu_s, rss = message
        return {"status": status, "cpu_s": cpu_s if 0 <= cpu_s < MOST_CPU_S else 0.0, "rss": min(rss, MOST_BYTES)}

    def _tell(
        self,
        cell: int,
        status: str,
        detail: str,
        started: float,
        used: Used | Attempt,
        done: dict[str, Any] | None = None,
    ) -> None:
        """Tell the host one result, soon."""
        code_cpu_s = done["cpu_s"] if done else 0.0
        message = {
            "cell": cell,
            "status": status,
            "detail": detail,
            "wall_s": time.monotonic() - started,
            "cpu_s": used.cpu_s + code_cpu_s,
            "code_cpu_s": code_cpu_s,
            "rss": done["rss"] if done else used.rss,
            "code": done["status"] if done else None,
        }
        self.unsent.append(wire.pack(message))
        if time.monotonic() - self.sent > FLUSH_S:
            self._flush()

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

    def _outcome(self, link: socket.socket, cell: int, is_class: bool, *, over_link: bool = False) -> list[str]:
        test = self.tests[cell]
        if test.code is None:
            return ["unasked", f"the test: {test.error}"]
        if over_link:
            seed(self.seed)
            outcome = _judge(test, JudgePeer(link, self.value_bytes), self.entry_point, is_class)
            with contextlib.suppress(wire.Closed, OSError):  # that it has gone is seen when it should say what it used
                wire.send(link, {"over": cell})
            return outcome
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                try:
                    wire.send(link, {"cell": cell}, theirs.fileno())
                except (wire.Closed, OSError):
                    return ["died", ""]
            if not test.simple:
                link.close()
            seed(self.seed)
            return _judge(test, JudgePeer(ours, self.value_bytes), self.entry_point, is_class)


def _judge(test: Test, peer: JudgePeer, entry_point: str, is_class: bool) -> list[str]:
    status, detail = "passed", ""
    try:
        names: dict[str, object] = {} if is_class else {entry_point: peer.function(entry_point)}
        if is_class:
            peer.strict = False
        names |= {name: __import__(name) for name in test.free if name in SHARED_MODULES and name not in names}
        wanted = [name for name in test.free if name not in names]
        if wanted:
            names |= peer.names(wanted)
        detail = run_test(test, names)
    except (Died, Unsplittable):
        pass
    except Expired:
        return ["timeout", ""]
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
