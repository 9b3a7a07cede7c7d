"""Makes the kernel refuse some of this process's system calls, as a full or broken disk would.

A seccomp filter answers the chosen call with an error number: the library that made the call meets a real failure at a
moment of the test's choice, without root and without a broken disk. It holds for all threads, children inherit it, and
nothing takes it away again: use it in a process of its own.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from pathlib import Path

from sandbox.harness.seccomp import (
    AT_ARGS,
    AT_NUMBER,
    JUMP_EQ,
    LOAD,
    RET_ALLOW,
    RET_ERRNO,
    RETURN,
)

NUMBERS = {
    "x86_64": {"write": 1, "pwrite64": 18, "fsync": 74, "execve": 59},
    "aarch64": {"write": 64, "pwrite64": 68, "fsync": 82, "execve": 221},
}
"""SQLite writes with `pwrite64`, text files and pipes are written with `write`, adapters are flushed with `fsync`."""
SECCOMP = {"x86_64": 317, "aarch64": 277}
NO_NEW_PRIVS, FILTER, ALL_THREADS = 38, 1, 1


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def refuse(call: str, error: int, descriptor: int | None = None) -> None:
    """Have a system call fail from now on; with `descriptor`, only for this file."""
    number = NUMBERS[platform.machine()][call]
    if descriptor is None:
        wanted = [(LOAD, 0, 0, AT_NUMBER), (JUMP_EQ, 0, 1, number)]
    else:
        wanted = [(LOAD, 0, 0, AT_NUMBER), (JUMP_EQ, 0, 3, number), (LOAD, 0, 0, AT_ARGS), (JUMP_EQ, 0, 1, descriptor)]
    code = b"".join(
        struct.pack("=HBBI", *row) for row in [*wanted, (RETURN, 0, 0, RET_ERRNO | error), (RETURN, 0, 0, RET_ALLOW)]
    )
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(
        SECCOMP[platform.machine()], FILTER, ALL_THREADS, ctypes.byref(program)
    ):
        raise OSError(ctypes.get_errno(), "no filter could be set")


def descriptor_of(path: Path) -> int:
    """Return the descriptor under which this process has a file open."""
    for link in Path("/proc/self/fd").iterdir():
        if os.path.realpath(link) == str(path.resolve()):
            return int(link.name)
    raise FileNotFoundError(path)


def fill(folder: Path) -> None:
    """Write into a folder until its disk is full."""
    with (folder / "ballast").open("wb", buffering=0) as ballast:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while True:
                    ballast.write(b"\0" * size)
            except OSError:
                continue
