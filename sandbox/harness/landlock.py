"""File access by path taken away for good (Landlock): only the trees named stay readable, nothing is writable.

Source: landlock(7); linux/landlock.h.

Not covered: that a path exists, its size and times (stat), which Landlock does not hide; UDP.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE, READ_DIR, WRITE_FILE = 1 << 2, 1 << 3, 1 << 1
FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # number of file rights the ABI knows
TCP = 0b11
SCOPES = 0b11  # abstract unix sockets, signals


class _Libc:
    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def call(self, number: int, *args: object) -> int:
        result: int = self._libc.syscall(number, *args)
        if result < 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return result


def abi() -> int:
    """Return the kernel's Landlock version; 0 if it has none."""
    try:
        return _Libc().call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    except OSError:
        return 0


class Ruleset:
    """Rights of this process and all that it starts."""

    def __init__(self, readable: Iterable[str], writable: Iterable[str] = ()) -> None:
        """Prepare a ruleset.

        Args:
            readable: Files and folders that may be read.
            writable: Files (devices) that may be read and written.

        Raises:
            OSError: The kernel has no Landlock.
        """
        version = abi()
        self._libc = _Libc()
        rights = (1 << FS_RIGHTS.get(version, 16)) - 1
        attributes = struct.pack("=Q", rights)
        if version >= 4:
            attributes += struct.pack("=Q", TCP)
        if version >= 6:
            attributes += struct.pack("=Q", SCOPES)
        buffer = ctypes.create_string_buffer(attributes, len(attributes))
        self._fd = self._libc.call(CREATE_RULESET, buffer, ctypes.c_size_t(len(attributes)), ctypes.c_uint(0))
        for path in readable:
            self._allow(path, READ_FILE | READ_DIR)
        for path in writable:
            self._allow(path, READ_FILE | WRITE_FILE)

    def _allow(self, path: str, rights: int) -> None:
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if not os.path.isdir(path):  # noqa: PTH112 (pathlib is not loaded here)
                rights &= ~READ_DIR
            rule = struct.pack("=Qi", rights, parent)
            buffer = ctypes.create_string_buffer(rule, len(rule))
            self._libc.call(ADD_RULE, ctypes.c_int(self._fd), ctypes.c_int(1), buffer, ctypes.c_uint(0))
        finally:
            os.close(parent)

    def enter(self) -> None:
        """Put the calling thread under the rules for good (no_new_privs is set too); to be called once."""
        ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
        self._libc.call(RESTRICT_SELF, ctypes.c_int(self._fd), ctypes.c_uint(0))
        os.close(self._fd)
