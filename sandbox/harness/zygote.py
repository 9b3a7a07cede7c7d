"""The first process of a jail: forks one child per session, answers for its processes, and buries what it leaves.

It reads descriptors and numbers, never a job's text: code and tests go to the child over a socket of its own. Whatever
the child left running is killed and reaped before the next session starts.

Everything that need not be done anew for each child is done here once: limits, Landlock, imports, and a rehearsal of
what a child does. What is written to after a fork is copied page by page, and costs more than all else.

The child of the next session is forked while this session runs, where that one can start no process. It waits behind
its filter for its descriptors, out of reach: a signal to it would be one of those that are refused.

Started as `python -m harness.zygote` with its control socket as standard input; it ends with that socket.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import resource
import select
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple, NoReturn

from . import landlock, seccomp, wire
from .repeatable import seed

CONTROL_BYTES = 1 << 16
PATIENCE_S = 1.0
CPU_S = struct.Struct("=q")
SUBREAPER = 36
ARENA_MAX = -8


class Child(NamedTuple):
    """A child that waits for its session at the other end of `intake`."""

    pid: int
    intake: socket.socket


class Session:
    """One child of the zygote, and what its processes may still start."""

    __slots__ = ("forks", "leader", "listener", "number", "processes", "refusals", "started", "threads", "threads_left")

    def __init__(self, number: int, leader: int, listener: int | None, forks: int, threads: int) -> None:
        self.number = number
        self.leader = leader
        self.listener = listener
        self.forks = forks
        self.threads = self.threads_left = threads
        self.started = self.processes = self.refusals = 0


class Zygote:
    """Serves its control socket until that ends."""

    def __init__(self, control: socket.socket, setup: dict[str, Any]) -> None:
        self.control = control
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)
        self.own_pids: bool = setup["own_pids"]
        self.trusted = setup["role"] == "judge"
        libc = ctypes.CDLL(None)
        libc.mallopt(ARENA_MAX, 1)  # each thread's own would take 64 MB of the address space that is allowed
        if not self.own_pids:
            libc.prctl(SUBREAPER, 1, 0, 0, 0)
        self.run = role_of(setup["role"])
        for name in setup["preload"]:
            __import__(name)
        seed(0)  # loads what a library would otherwise load when it is seeded
        _limit(setup["memory_bytes"])
        if setup["landlock"]:
            landlock.Ruleset(setup["readable"], setup["writable"]).enter()
        self.filter = seccomp.Filter() if setup["seccomp"] else None
        self.clone = seccomp.numbers(seccomp.CHECKED, os.uname().machine)["clone"] if self.filter else -1

    def serve(self) -> None:
        """Run one session after another."""
        wire.send(self.control, {"ready": os.getpid()})
        child = self._child()
        while True:
            order, link = self._order()
            if link is None:
                continue  # about a session that has ended
            session = self._begin(child, order, link)
            ahead = not self.trusted and self.filter is not None and not session.forks
            if ahead:
                child = self._child()
            report_wanted = False
            try:
                report_wanted = self._watch(session)
            finally:
                report = self._bury(session)
            if report_wanted:
                wire.send(self.control, {"ended": session.number, "refusals": session.refusals, **report})
            if not ahead:
                child = self._child()

    def _order(self) -> tuple[tuple[int, ...], int | None]:
        data, fd = wire.receive_fd(self.control, wire.ORDER.size)
        if not data:
            raise wire.Closed("the host has gone")
        return wire.ORDER.unpack(data), fd

    def _child(self) -> Child:
        """Fork a child that will wait for its session."""
        ours, theirs = socket.socketpair()
        pid = os.fork()
        if pid == 0:
            self._live(theirs)
        theirs.close()
        return Child(pid, ours)

    def _begin(self, child: Child, order: tuple[int, ...], link: int) -> Session:
        """Give a child its descriptor; from here on it is a session."""
        _, number, forks, threads, cpu_s = order
        listener = None
        if self.filter is not None:
            _, listener = wire.receive_fd(child.intake, 1)
            if listener is None:
                raise RuntimeError("a child could not put itself behind its filter")
        wire.send_fd(child.intake, CPU_S.pack(cpu_s), link)
        child.intake.close()
        os.close(link)
        return Session(number, child.pid, listener, forks, threads)

    def _live(self, intake: socket.socket) -> NoReturn:
        status = 70
        try:
            os.setsid()
            os.closerange(3, intake.fileno())
            os.closerange(intake.fileno() + 1, 1 << 20)
            if self.filter is not None:
                listener = self.filter.load()
                wire.send_fd(intake, b"L", listener)
                os.close(listener)
            data, link = wire.receive_fd(intake, CPU_S.size)
            intake.close()
            if link is not None:  # else the zygote has gone
                if not self.trusted:
                    _set_limit(resource.RLIMIT_CPU, *CPU_S.unpack(data))
                self.run(wire.adopt(link))
            status = 0
        finally:
            os._exit(status)

    def _watch(self, session: Session) -> bool:
        """Answer for the session until the host wants it ended; return whether it wants a report."""
        listening = session.listener is not None
        if session.listener is not None:
            self.poll.register(session.listener, select.POLLIN)
        try:
            while True:
                for fd, event in self.poll.poll():
                    if fd != session.listener:
                        (what, number, *_), _ = self._order()
                        if number == session.number:
                            return what == wire.END
                    elif event & select.POLLIN:
                        self._decide(session, fd)
                    else:  # all its processes have ended
                        self.poll.unregister(fd)
                        listening = False
        finally:
            if listening and session.listener is not None:
                self.poll.unregister(session.listener)

    def _decide(self, session: Session, listener: int) -> None:
        question = seccomp.ask(listener)
        if question is None:
            return
        if question.number == self.clone:
            refusal = self._may_start(session, question)
            session.refusals += bool(refusal)
            session.started += not refusal
            session.processes += not refusal and not question.args[0] & seccomp.CLONE_THREAD
        else:  # kill(pid, signal), tgkill(group, thread, signal)
            own = question.args[0] == question.pid
            refusal = 0 if own or (self.trusted and question.pid == session.leader) else errno.EPERM
        seccomp.answer(listener, question, refusal)

    def _may_start(self, session: Session, question: seccomp.Question) -> int:
        if question.args[0] & seccomp.CLONE_THREAD:
            session.threads_left -= 1
            return 0 if session.threads_left >= 0 else errno.EAGAIN
        if question.pid != session.leader:
            return errno.EAGAIN
        if self.trusted:
            session.threads_left = session.threads
            return 0
        session.forks -= 1
        if session.forks < 0:
            return errno.EAGAIN
        if self.own_pids:
            tasks, processes = self._alive(session)
            if tasks == 0:
                session.threads_left = session.threads
            elif processes > 1:
                return errno.EAGAIN
        return 0

    @staticmethod
    def _alive(session: Session) -> tuple[int, int]:
        """Count the tasks besides the leader, and the processes among them; their numbers follow the leader's."""
        tasks = processes = 0
        for pid in range(session.leader + 1, session.leader + session.started + 4):
            try:
                os.kill(pid, 0)
                tasks += 1
                os.close(os.pidfd_open(pid))
                processes += 1
            except OSError:  # no such task, or a thread
                continue
        return tasks, processes

    def _bury(self, session: Session) -> dict[str, Any]:
        """Kill and reap every process of the session, and say what they used."""
        if self.filter is not None and not session.processes:  # the leader is all there is
            os.kill(session.leader, signal.SIGKILL)
            _, status, usage = os.wait4(session.leader, 0)
            used = [usage]
        else:
            status, used = self._bury_all(session.leader)
        if session.listener is not None:
            os.close(session.listener)
        return {
            "status": status,
            "cpu_s": sum(each.ru_utime + each.ru_stime for each in used),
            "peak_rss": max((each.ru_maxrss for each in used), default=0) * 1024,
        }

    def _bury_all(self, leader: int) -> tuple[int, list[resource.struct_rusage]]:
        """Kill and reap every child there is; return the leader's wait status, and what each of them used."""
        status, used = 0, list[resource.struct_rusage]()
        patience = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                if self.own_pids:
                    os.kill(-1, signal.SIGKILL)
                else:
                    os.killpg(leader, signal.SIGKILL)
            try:
                pid, code, usage = os.wait4(-1, 0 if self.own_pids else os.WNOHANG)
            except ChildProcessError:
                return status, used
            if pid == 0:
                if time.monotonic() > patience:
                    return status, used
                time.sleep(0.0005)
                continue
            used.append(usage)
            if pid == leader:
                status = code


def role_of(name: str) -> Callable[..., None]:
    """Return what the children of this zygote do; it has been rehearsed, and only that role's modules are loaded."""
    if name == "judge":
        from . import judge

        judge.warm_up()
        return judge.main
    from . import candidate

    candidate.warm_up()
    if name == "code":
        return candidate.main
    from . import inprocess

    return inprocess.main


def _limit(memory_bytes: int) -> None:
    """Set the limits that every process of this jail has, this one included."""
    limits = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_STACK: 8 << 20,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for name, value in limits.items():
        _set_limit(name, value)


def _set_limit(name: int, value: int) -> None:
    _, hard = resource.getrlimit(name)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(name, (value, value))


def main() -> None:
    """Serve standard input until it ends."""
    os.umask(0o077)
    os.environ.pop("LD_BIND_NOW", None)  # for the loader, which has read it: forks find every symbol resolved
    control = wire.adopt(os.dup(0))
    try:
        zygote = Zygote(control, wire.Inbox(control).receive(CONTROL_BYTES))
        gc.collect()
        gc.freeze()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        os.close(null)
        zygote.serve()
    except wire.Closed:
        sys.exit(0)


if __name__ == "__main__":
    main()
