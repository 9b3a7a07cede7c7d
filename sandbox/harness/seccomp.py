"""Two system call filters, assembled here as classic BPF: an allow-list, and what a session's processes lack of it.

The zygote puts itself behind the first, and every child of its inherits that; each child adds the second, which is
short, because a filter is translated and tried on every call number whenever one is loaded. The stricter of the two
answers holds. What is not on the list is refused with EPERM.

What is not on the list does not exist for the code: executing programs, sockets other than a pair within the process,
namespaces, mounts, tracing, keyrings, io_uring, userfaultfd, bpf, perf, memfd, System V and POSIX IPC, changing files'
modes or times, priorities, clocks. Starting a process or thread, and sending a signal, is decided one call at a time by
the process that set the filter up (`SECCOMP_RET_USER_NOTIF`): see `harness.zygote`.

Source: seccomp(2), seccomp_unotify(2), linux/filter.h; the numbers are of asm/unistd_64.h and asm-generic/unistd.h.

Not covered: flaws of the kernel in the calls that are allowed. Architectures other than x86_64 and aarch64.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

# name, number on x86_64, number on aarch64 (-1: the architecture has no such call)
ALLOWED = """
    access 21 -1; alarm 37 -1; arch_prctl 158 -1; brk 12 214; clock_getres 229 114; clock_gettime 228 113
    clock_nanosleep 230 115; close 3 57; close_range 436 436; dup 32 23; dup2 33 -1; dup3 292 24
    epoll_create1 291 20; epoll_ctl 233 21; epoll_pwait 281 22; epoll_wait 232 -1; eventfd2 290 19; exit 60 93
    exit_group 231 94; faccessat 269 48; faccessat2 439 439; fstat 5 80; fstatfs 138 44; futex 202 98
    get_robust_list 274 100; getcwd 79 17; getdents64 217 61; getegid 108 177; geteuid 107 175; getgid 104 176
    getgroups 115 158; getitimer 36 102; getpeername 52 205; getpgid 121 155; getpgrp 111 -1; getpid 39 172
    getppid 110 173; getpriority 140 141; getrandom 318 278; getresgid 120 150; getresuid 118 148; getrlimit 97 163
    getrusage 98 165; getsid 124 156; getsockname 51 204; getsockopt 55 209; gettid 186 178; gettimeofday 96 169
    getuid 102 174; lseek 8 62; lstat 6 -1; madvise 28 233; membarrier 324 283; mmap 9 222; mprotect 10 226
    mremap 25 216; munmap 11 215; nanosleep 35 101; newfstatat 262 79; open 2 -1; openat 257 56; pipe 22 -1
    pipe2 293 59; poll 7 -1; ppoll 271 73; pread64 17 67; preadv 295 69; pselect6 270 72; pwrite64 18 68; read 0 63
    readlink 89 -1; readlinkat 267 78; readv 19 65; recvfrom 45 207; recvmsg 47 212; restart_syscall 219 128
    rseq 334 293; rt_sigaction 13 134; rt_sigpending 127 136; rt_sigprocmask 14 135; rt_sigreturn 15 139
    rt_sigsuspend 130 133; rt_sigtimedwait 128 137; sched_getaffinity 204 123; sched_getparam 143 121
    sched_getscheduler 145 120; sched_yield 24 124; select 23 -1; sendmsg 46 211; sendto 44 206
    set_robust_list 273 99; set_tid_address 218 96; setitimer 38 103; setsockopt 54 208; shutdown 48 210
    sigaltstack 131 132; stat 4 -1; statfs 137 43; statx 332 291; sysinfo 99 179; time 201 -1; times 100 153
    umask 95 166; uname 63 160; wait4 61 260; waitid 247 95; write 1 64; writev 20 66
"""

# Allowed for some arguments only.
CHECKED = """
    clone 56 220; clone3 435 435; fcntl 72 25; ioctl 16 29; prctl 157 167; prlimit64 302 261; socketpair 53 199
"""

# Decided by the zygote for its children, one call at a time.
ASKED = "clone 56 220; kill 62 129; tgkill 234 131"

# For the zygote alone.
OWN = "pidfd_open 434 434; seccomp 317 277; setsid 112 157"

AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32_BIT = 0x40000000

RET_ALLOW = 0x7FFF0000
RET_KILL = 0x80000000
RET_NOTIFY = 0x7FC00000
RET_ERRNO = 0x00050000

LOAD, JUMP_EQ, JUMP_GE, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCH, AT_ARGS = 0, 4, 16

CLONE_THREAD = 0x00010000
CLONE_REFUSED = 0x7E020000 | 0x8000 | 0x2000  # every namespace, CLONE_PARENT, CLONE_PTRACE
IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # is it a terminal, how large, bytes waiting, modes
PRCTLS = (3, 15, 16, 0x53564D41)  # names and dumpability of oneself, names of mappings
FCNTLS_REFUSED = (8, 10, 15, 1024, 1026, 1031, 1033)  # signals to others, leases, pipe sizes, seals
AF_UNIX = 1

NOTIFICATION = struct.Struct("=QIIiIQ6Q")
RESPONSE = struct.Struct("=QqiI")
NOTIF_RECV, NOTIF_SEND = 0xC0502100, 0xC0182101
CONTINUE = 1
NEW_LISTENER = 8

Instruction = tuple[int, int, int, int]


def numbers(table: str, machine: str) -> dict[str, int]:
    """Return the numbers that the machine gives the calls of a table."""
    column = 1 if machine == "x86_64" else 2
    fields = (entry.split() for entry in table.replace(chr(10), ";").split(";") if entry.strip())
    return {entry[0]: int(entry[column]) for entry in fields if int(entry[column]) >= 0}


def _errno(number: int) -> Instruction:
    return (RETURN, 0, 0, RET_ERRNO | number)


def _only(argument: int, values: Sequence[int], hit: Instruction, miss: Instruction) -> list[Instruction]:
    """Return `hit` where the low word of the argument is one of the values, else `miss`."""
    count = len(values)
    tests = [(JUMP_EQ, count - index, 0, value) for index, value in enumerate(values)]
    return [(LOAD, 0, 0, AT_ARGS + 8 * argument), *tests, miss, hit]


def _rules() -> dict[str, list[Instruction]]:
    allow: Instruction = (RETURN, 0, 0, RET_ALLOW)
    refused = _errno(errno.EPERM)
    return {
        "clone": [(LOAD, 0, 0, AT_ARGS), (JUMP_SET, 0, 1, CLONE_REFUSED), refused, allow],
        "clone3": [_errno(errno.ENOSYS)],
        "socketpair": _only(0, (AF_UNIX,), allow, refused),
        "ioctl": _only(1, (*IOCTLS, NOTIF_RECV, NOTIF_SEND), allow, _errno(errno.ENOTTY)),
        "prctl": _only(0, PRCTLS, allow, refused),
        "prlimit64": _only(0, (0,), allow, refused),
        "fcntl": _only(1, FCNTLS_REFUSED, refused, allow),
    }


def assemble(machine: str) -> tuple[bytes, bytes]:
    """Return the zygote's filter program and its children's, for a machine (`os.uname().machine`).

    Raises:
        KeyError: There is no table for this machine.
    """
    program: list[Instruction] = [
        (LOAD, 0, 0, AT_ARCH),
        (JUMP_EQ, 1, 0, AUDIT_ARCH[machine]),
        (RETURN, 0, 0, RET_KILL),
        (LOAD, 0, 0, AT_NUMBER),
    ]
    if machine == "x86_64":
        program += [(JUMP_GE, 0, 1, X32_BIT), (RETURN, 0, 0, RET_KILL)]
    rules, refused = _rules(), [_errno(errno.EPERM)]
    allow: Instruction = (RETURN, 0, 0, RET_ALLOW)
    leaves = {number: [allow] for table in (ALLOWED, ASKED, OWN) for number in numbers(table, machine).values()}
    leaves |= {number: rules[name] for name, number in numbers(CHECKED, machine).items()}
    steps = [(0, refused)]
    for number in range(max(leaves) + 2):
        leaf = leaves.get(number, refused)
        if leaf != steps[-1][1]:
            steps.append((number, leaf))
    program += _search(steps)
    return _bytes(program), _bytes(_childrens(machine))


def _childrens(machine: str) -> list[Instruction]:
    """Return the program that every child adds; calls of other kinds have met the zygote's by then."""
    program: list[Instruction] = [(LOAD, 0, 0, AT_NUMBER)]
    for table, verdict in ((ASKED, (RETURN, 0, 0, RET_NOTIFY)), (OWN, _errno(errno.EPERM))):
        for number in numbers(table, machine).values():
            program += [(JUMP_EQ, 0, 1, number), verdict]
    notices = _only(1, (NOTIF_RECV, NOTIF_SEND), _errno(errno.ENOTTY), (RETURN, 0, 0, RET_ALLOW))
    ioctl = numbers(CHECKED, machine)["ioctl"]
    return [*program, (JUMP_EQ, 0, len(notices), ioctl), *notices, (RETURN, 0, 0, RET_ALLOW)]


def _bytes(program: list[Instruction]) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def _search(steps: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    """Return a binary search for the last step whose number is not above the call's, followed by what that step does.

    The kernel runs the program once for every call number there is when it is loaded, which a linear search makes slow.
    """
    if len(steps) == 1:
        return steps[0][1]
    middle = len(steps) // 2
    below, rest = _search(steps[:middle]), _search(steps[middle:])
    return [(JUMP_GE, len(below), 0, steps[middle][0]), *below, *rest]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    def __init__(self, code: bytes) -> None:
        self.code = ctypes.create_string_buffer(code, len(code))
        super().__init__(len(code) // 8, ctypes.addressof(self.code))


class Filter:
    """The filters of this machine."""

    def __init__(self) -> None:
        """Put this process behind the first filter for good, and make the second ready for its forks.

        Raises:
            OSError: The kernel refused.
            KeyError: There is no table for this machine.
        """
        machine = os.uname().machine
        first, second = map(_Program, assemble(machine))
        self._programs = (first, second)
        self._syscall = ctypes.CDLL(None, use_errno=True).syscall
        number = numbers(OWN, machine)["seccomp"]
        if ctypes.CDLL(None, use_errno=True).prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS, which forks inherit
            raise OSError(ctypes.get_errno(), "no_new_privs")
        if self._syscall(number, 1, 0, ctypes.byref(first)):  # SECCOMP_SET_MODE_FILTER
            raise OSError(ctypes.get_errno(), "seccomp")
        self._arguments = (number, 1, NEW_LISTENER, ctypes.byref(second))

    def load(self) -> int:
        """Put the calling thread behind the second filter too; return the descriptor its questions come through.

        Raises:
            OSError: The kernel refused (no user notification, for instance).
        """
        listener: int = self._syscall(*self._arguments)
        if listener < 0:
            raise OSError(ctypes.get_errno(), "seccomp")
        return listener


class Question(NamedTuple):
    """A call that waits for permission."""

    cookie: int
    pid: int
    number: int
    args: tuple[int, ...]


def ask(listener: int) -> Question | None:
    """Return the next waiting call; None if its caller has died."""
    import fcntl

    buffer = bytearray(NOTIFICATION.size)
    try:
        fcntl.ioctl(listener, NOTIF_RECV, buffer)
    except OSError:
        return None
    cookie, pid, _, number, _, _, *args = NOTIFICATION.unpack(buffer)
    return Question(cookie, pid, number, tuple(args))


def answer(listener: int, question: Question, refusal: int) -> None:
    """Let the call go on (`refusal` 0), or fail with that errno; the caller may have died meanwhile."""
    import contextlib
    import fcntl

    reply = RESPONSE.pack(question.cookie, 0, -refusal, 0 if refusal else CONTINUE)
    with contextlib.suppress(OSError):
        fcntl.ioctl(listener, NOTIF_SEND, bytearray(reply))
