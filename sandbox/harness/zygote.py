"""The first process of a jail: forks one child per session, answers for its processes, and buries what it leaves.

It reads descriptors and numbers, never a job's text: code and tests go to the child over a socket of its own. Whatever
the child left running is killed and reaped before the next session starts.

Everything that need not be done anew for each child is done here once: limits, Landlock, imports, and a rehearsal of
what a child does. What is written to after a fork is copied page by page, and costs more than all else.

Started as `python -m harness.zygote` with its control socket as standard input; it ends with that socket.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

from . import landlock, seccomp, wire
from .repeatable import seed

CONTROL_BYTES = 1 << 16
SUBREAPER = 36
ARENA_MAX = -8


class Session:
    """One child of the zygote, and what its processes may still start."""

    __slots__ = ("forks", "leader", "listener", "number", "refusals", "started", "threads", "threads_left")

    def __init__(self, number: int, leader: int, forks: int, threads: int) -> None:
        self.number = number
        self.leader = leader
        self.forks = forks
        self.threads = self.threads_left = threads
        self.listener = -1
        self.started = self.refusals = 0


class Zygote:
    """Serves its control socket until that ends."""

    def __init__(self, control: socket.socket, setup: dict[str, Any]) -> None:
        self.control = control
        self.own_pids: bool = setup["own_pids"]
        self.trusted = setup["role"] == "judge"
        self.filter = seccomp.Filter() if setup["seccomp"] else None
        self.clone = seccomp.numbers(seccomp.CHECKED, os.uname().machine)["clone"] if self.filter else -1
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

    def serve(self) -> None:
        """Run one session after another."""
        wire.send(self.control, {"ready": os.getpid()})
        while True:
            message, fds = wire.receive_fds(self.control, CONTROL_BYTES, 4)
            if "spawn" not in message:
                continue
            session = self._spawn(message, fds)
            for fd in fds:
                os.close(fd)
            try:
                self._watch(session)
            finally:
                report = self._bury(session)
            wire.send(self.control, report)

    def _spawn(self, message: dict[str, Any], fds: list[int]) -> Session:
        ours, theirs = socket.socketpair()
        leader = os.fork()
        if leader == 0:
            self._child(message, fds, theirs)
        theirs.close()
        session = Session(number=message["spawn"], leader=leader, forks=message["forks"], threads=message["threads"])
        if self.filter is not None:
            _, got, _, _ = socket.recv_fds(ours, 1, 1)
            session.listener = got[0] if got else -1
        ours.close()
        return session

    def _child(self, message: dict[str, Any], fds: list[int], upward: socket.socket) -> NoReturn:
        status = 70
        try:
            os.setsid()
            if not self.trusted:
                _set_limit(resource.RLIMIT_CPU, message["cpu_s"])
            self._keep_only([*fds, upward.fileno()])
            if self.filter is not None:
                listener = self.filter.load()
                socket.send_fds(upward, [b"L"], [listener])
                os.close(listener)
            upward.close()
            self.run(*(socket.socket(fileno=fd) for fd in fds))
            status = 0
        finally:
            os._exit(status)

    @staticmethod
    def _keep_only(keep: list[int]) -> None:
        """Close every descriptor but these, and 0, 1 and 2, which are /dev/null."""
        low = 3
        for fd in sorted(keep):
            os.closerange(low, fd)
            low = fd + 1
        os.closerange(low, 1 << 20)

    def _watch(self, session: Session) -> None:
        """Return when the leader has ended, or the host asks to end it."""
        pidfd = os.pidfd_open(session.leader)
        poll = select.poll()
        for fd in (pidfd, self.control.fileno(), session.listener):
            if fd >= 0:
                poll.register(fd, select.POLLIN)
        try:
            while True:
                for fd, event in poll.poll():
                    if fd == pidfd:
                        return
                    if fd == session.listener:
                        if event & select.POLLIN:
                            self._decide(session)
                        else:
                            poll.unregister(fd)
                    elif wire.receive(self.control, CONTROL_BYTES).get("kill") == session.number:
                        return
        finally:
            os.close(pidfd)

    def _decide(self, session: Session) -> None:
        question = seccomp.ask(session.listener)
        if question is None:
            return
        if question.number == self.clone:
            refusal = self._may_start(session, question)
            session.refusals += bool(refusal)
            session.started += not refusal
        else:  # kill(pid, signal), tgkill(group, thread, signal)
            own = question.args[0] == question.pid
            refusal = 0 if own or (self.trusted and question.pid == session.leader) else errno.EPERM
        seccomp.answer(session.listener, question, refusal)

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
        cpu_s, peak_rss, status = 0.0, 0, 0
        patience = time.monotonic() + 1.0
        while True:
            try:
                if self.own_pids:
                    os.kill(-1, signal.SIGKILL)
                else:
                    os.killpg(session.leader, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                pass
            try:
                pid, code, usage = os.wait4(-1, 0 if self.own_pids else os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                if time.monotonic() > patience:
                    break
                time.sleep(0.0005)
                continue
            cpu_s += usage.ru_utime + usage.ru_stime
            peak_rss = max(peak_rss, usage.ru_maxrss * 1024)
            if pid == session.leader:
                status = code
        if session.listener >= 0:
            os.close(session.listener)
        return {
            "ended": session.number,
            "status": status,
            "cpu_s": cpu_s,
            "peak_rss": peak_rss,
            "refusals": session.refusals,
        }


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
    control = socket.socket(fileno=os.dup(0))
    try:
        zygote = Zygote(control, wire.receive(control, CONTROL_BYTES))
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
