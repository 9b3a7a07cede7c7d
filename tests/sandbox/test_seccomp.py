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
def program_of(machine: str) -> tuple[tuple[int, int, int, int], ...]:
    return tuple(struct.iter_unpack("=HBBI", seccomp.assemble(machine)))


def decide(machine: str, number: int, *args: int, arch: int | None = None) -> int:
    """Run the program on one call and return its verdict."""
    data = struct.pack("=IIQ6Q", number, arch or seccomp.AUDIT_ARCH[machine], 0, *args, *[0] * (6 - len(args)))
    program = program_of(machine)
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
    checked = set(seccomp.numbers(seccomp.CHECKED, machine).values())
    for number in range(600):
        if number not in checked:
            assert decide(machine, number) == (ALLOW if number in allowed else refused(errno.EPERM)), number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_depend_on_their_arguments_are_decided_by_them(machine: str) -> None:
    call = seccomp.numbers(seccomp.CHECKED, machine)
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
    for table in (seccomp.ALLOWED, seccomp.CHECKED):
        for name, number in seccomp.numbers(table, machine).items():
            assert known[name] == number, name


def test_a_machine_without_a_table_is_refused() -> None:
    with pytest.raises(KeyError):
        seccomp.assemble("s390x")
