"""Run a command on a host that lacks something: `python -m tests.sandbox.confined WHAT... -- COMMAND...`

no-landlock       the three calls of Landlock do not exist
no-namespaces     namespaces and mounts are refused, as by the default profile of Docker
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys

LOAD, JUMP_EQ, JUMP_SET, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
NAMESPACES = 0x7E020000
X86 = os.uname().machine == "x86_64"
LANDLOCK = (444, 445, 446)
CLONE, CLONE3 = (56 if X86 else 220), 435
MOUNTS = (272, 308, 165, 166, 155, 428, 429, 430, 431, 432, 442) if X86 else (97, 268, 40, 39, 41, 428, 429, 430, 431)


def program(what: list[str]) -> bytes:
    """Return a filter that lets every call through but those."""
    refused: dict[int, int] = {}
    if "no-landlock" in what:
        refused |= dict.fromkeys(LANDLOCK, errno.ENOSYS)
    lines = [(LOAD, 0, 0, 0)]
    if "no-namespaces" in what:
        refused |= dict.fromkeys(MOUNTS, errno.EPERM) | {CLONE3: errno.ENOSYS}
        refuse = (RETURN, 0, 0, ERRNO | errno.EPERM)
        lines += [(JUMP_EQ, 0, 4, CLONE), (LOAD, 0, 0, 16), (JUMP_SET, 0, 1, NAMESPACES), refuse, (RETURN, 0, 0, ALLOW)]
    for number, code in refused.items():
        lines += [(JUMP_EQ, 0, 1, number), (RETURN, 0, 0, ERRNO | code)]
    return b"".join(struct.pack("=HBBI", *line) for line in [*lines, (RETURN, 0, 0, ALLOW)])


class Program(ctypes.Structure):
    """A filter, as the kernel reads it."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def main(arguments: list[str]) -> None:
    """Take the filter on and become the command."""
    cut = arguments.index("--")
    code = program(arguments[:cut])
    buffer = ctypes.create_string_buffer(code, len(code))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    asked = Program(len(code) // 8, ctypes.addressof(buffer))
    if libc.syscall(317 if X86 else 277, 1, 0, ctypes.byref(asked)):
        raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(arguments[cut + 1], arguments[cut + 1 :])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
