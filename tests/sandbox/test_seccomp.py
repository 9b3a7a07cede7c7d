"""The filter program, run in a small interpreter of classic BPF, decides as its tables say on both machines."""

from __future__ import annotations

import errno
import functools
import re
import struct
from pathlib import Path

import pytest

from sandbox.harness import seccomp

MACHINES = ("x86_64", "aarch64")
ALLOW, KILL, ASK = seccomp.RET_ALLOW, seccomp.RET_KILL, seccomp.RET_NOTIFY
HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}


@functools.cache
def programs_of(machine: str) -> tuple[tuple[tuple[int, int, int, int], ...], ...]:
    return tuple(tuple(struct.iter_unpack("=HBBI", program)) for program in seccomp.assemble(machine))


def strictness(verdict: int) -> int:
    """Return what the kernel orders actions by: the action as a signed number, the strictest least."""
    action = verdict & 0xFFFF0000
    return action - 2**32 if action >= 2**31 else action


def decide(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """Return what a session's process gets for one call: the stricter verdict of the two programs."""
    data = struct.pack("=IIQ6Q", number, arch or seccomp.AUDIT_ARCH[machine], 0, *args, *[0] * (6 - len(args)))
    return min((run(program, data) for program in programs_of(machine)), key=strictness)


def zygotes(machine: str, number: int, *args: int) -> int:
    """Return what the zygote gets for one call."""
    data = struct.pack("=IIQ6Q", number, seccomp.AUDIT_ARCH[machine], 0, *args, *[0] * (6 - len(args)))
    return run(programs_of(machine)[0], data)


def run(program: tuple[tuple[int, int, int, int], ...], data: bytes) -> int:
    """Return the verdict of one program on one call."""
    at, accumulator = 0, 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        match code:
            case seccomp.LOAD:
                accumulator = struct.unpack_from("=I", data, value)[0]
            case seccomp.RETURN:
                return int(value)
            case seccomp.JUMP_EQ:
                at += yes if accumulator == value else no
            case seccomp.JUMP_GE:
                at += yes if accumulator >= value else no
            case seccomp.JUMP_SET:
                at += yes if accumulator & value else no
            case _:
                raise AssertionError(code)


def refused(number: int) -> int:
    return seccomp.RET_ERRNO | number


@pytest.mark.parametrize("machine", MACHINES)
def test_exactly_the_calls_of_the_table_are_allowed(machine: str) -> None:
    allowed = set(seccomp.numbers(seccomp.ALLOWED, machine).values())
    asked = set(seccomp.numbers(seccomp.ASKED, machine).values())
    own = set(seccomp.numbers(seccomp.OWN, machine).values())
    checked = set(seccomp.numbers(seccomp.CHECKED, machine).values())
    for number in set(range(600)) - checked:
        verdict = ALLOW if number in allowed else ASK if number in asked else refused(errno.EPERM)
        assert decide(machine, number) == verdict, number
        mine = ALLOW if number in allowed | asked | own else refused(errno.EPERM)
        assert zygotes(machine, number) == mine, number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_depend_on_their_arguments_are_decided_by_them(machine: str) -> None:
    call = seccomp.numbers(seccomp.CHECKED, machine) | seccomp.numbers(seccomp.ASKED, machine)
    eperm = refused(errno.EPERM)
    assert decide(machine, call["clone"], 17) == ASK
    assert decide(machine, call["clone"], seccomp.CLONE_THREAD | 0xF00) == ASK
    for namespace in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x8000, 0x2000):
        assert decide(machine, call["clone"], namespace | 17) == eperm
    assert decide(machine, call["clone3"]) == refused(errno.ENOSYS)
    assert decide(machine, call["kill"], 1, 9) == ASK
    assert decide(machine, call["tgkill"], 1, 1, 9) == ASK
    assert decide(machine, call["socketpair"], 1) == ALLOW
    assert all(decide(machine, call["socketpair"], family) == eperm for family in (0, 2, 10, 16, 17))
    assert decide(machine, call["ioctl"], 0, 0x5401) == ALLOW
    assert decide(machine, call["ioctl"], 0, 0x5412) == refused(errno.ENOTTY)
    assert decide(machine, call["ioctl"], 0, seccomp.NOTIF_SEND) == refused(errno.ENOTTY)
    assert zygotes(machine, call["ioctl"], 0, seccomp.NOTIF_SEND) == ALLOW
    assert zygotes(machine, call["clone"], 17) == ALLOW
    assert decide(machine, call["prctl"], 15) == ALLOW
    assert decide(machine, call["prctl"], 22) == eperm
    assert decide(machine, call["prlimit64"], 0) == ALLOW
    assert decide(machine, call["prlimit64"], 1) == eperm
    assert decide(machine, call["fcntl"], 0, 1) == ALLOW
    assert decide(machine, call["fcntl"], 0, 8) == eperm


@pytest.mark.parametrize("machine", MACHINES)
def test_foreign_ways_into_the_kernel_end_the_process(machine: str) -> None:
    assert decide(machine, 39, arch=0x40000003) == KILL
    if machine == "x86_64":
        assert decide(machine, seccomp.X32_BIT + 39) == KILL


@pytest.mark.parametrize("machine", MACHINES)
def test_the_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = Path(HEADERS[machine])
    if not header.exists():
        pytest.skip(f"{header} is not on this host")
    known = {m[1]: int(m[2]) for m in re.finditer(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())}
    if machine == "aarch64":
        known["newfstatat"] = known.get("newfstatat", known.get("fstatat", 79))
    for table in (seccomp.ALLOWED, seccomp.CHECKED, seccomp.ASKED, seccomp.OWN):
        for name, number in seccomp.numbers(table, machine).items():
            assert known[name] == number, name


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError):
        seccomp.assemble("s390x")
