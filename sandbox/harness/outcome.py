"""How an exception becomes a status, on either side of the wire."""

from __future__ import annotations

import io
from typing import Any

DETAIL_CHARS = 300


class OutputLimit(BaseException):
    """More was printed or returned than the limit allows."""


def classify(error: BaseException, *, testing: bool) -> tuple[str, str]:
    """Return the status and the one-line detail of what was raised.

    Args:
        error: What ended the code or the test.
        testing: True in the test, where a false assertion is a failure; false while the code loads.
    """
    if isinstance(error, OutputLimit):
        return "output", describe(error)
    if isinstance(error, MemoryError):
        return "memory", describe(error)
    if testing and isinstance(error, AssertionError):
        return "failed", describe(error)
    return "exception", describe(error)


def describe(error: BaseException) -> str:
    """Return one line about an exception, whatever its class does."""
    name = type.__getattribute__(type(error), "__name__")
    try:
        text = " ".join(str(error).split())
    except BaseException:  # noqa: BLE001 (a class of the code may raise anything)
        text = "(no text)"
    return f"{name}: {text}"[:DETAIL_CHARS] if text else str(name)


class CountedOutput(io.RawIOBase):
    """Standard output that goes nowhere, up to a limit."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.left = limit
        self.exceeded = False

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def write(self, data: Any, /) -> int:
        """Count the bytes."""
        size = len(memoryview(data).cast("B"))
        self.left -= size
        if self.left < 0:
            self.exceeded = True
            raise OutputLimit("printed more than the limit")
        return size

    def text(self) -> io.TextIOWrapper:
        """Return the stream that `print` writes to."""
        return io.TextIOWrapper(io.BufferedWriter(self), encoding="utf-8", errors="replace", write_through=True)
