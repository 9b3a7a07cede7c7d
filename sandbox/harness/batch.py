"""Many calls of the code's function in one message, answered by one hash over all results.

A test that knows what the right results hash to need not have them sent: `entry.each(inputs)` returns the hash, and
only where it is another one does the test ask for results, one at a time, with `entry.told(number)`. Each result is
written down as soon as its call returns: what the code changes later does not change it.

The hash is over the length and bytes of `marshal.dumps(result, FORMAT)` for each result. In that format equal values of
the same exact builtin types are the same bytes, in any process of one Python. Bytes are written here and read again by
the process that wrote them, never by another. The code can say any hash; it is not told which one is right.
"""

from __future__ import annotations

import marshal
from _blake2 import blake2b
from collections.abc import Callable
from typing import Any

from .peer import Died, Peer

FORMAT = 2
"""No references, no marks of interned strings; sets in order of their bytes."""
LENGTH_BYTES = 8
DIGEST_BYTES = 16


class Batch:
    """What came of some calls, up to the first that raised."""

    def __init__(self, peer: Peer, answer: Callable[[object], object]) -> None:
        """Begin with no calls.

        Args:
            peer: The code's end of the conversation.
            answer: Makes the form of a result.
        """
        self.peer = peer
        self.answer = answer
        self.results: list[bytes | dict[str, Any]] = []

    def calls(self, function: Any, forms: list[Any]) -> str:
        """Call a function with each of the lists of arguments; return the hash over the results."""
        digest = blake2b(digest_size=DIGEST_BYTES)
        for form in forms:
            try:
                written = self._written(function(*self.peer.decode(form)))
            except Died:
                raise
            except BaseException as error:  # noqa: BLE001 (whatever the code raises is its answer)
                written = {"x": self.peer.exception_form(error)}
            self.results.append(written)
            if isinstance(written, bytes):
                digest.update(len(written).to_bytes(LENGTH_BYTES, "big"))
                digest.update(written)
                continue
            digest.update(b"\xff" * LENGTH_BYTES)  # as no right hash begins
            if "x" in written:
                break
        return digest.hexdigest()

    def _written(self, result: Any) -> bytes | dict[str, Any]:
        try:
            return marshal.dumps(result, FORMAT)
        except ValueError:  # no plain data, or nested too deeply
            return {"ok": self.answer(result)}

    def told(self, number: int) -> dict[str, Any]:
        """Return the answer to one of the calls.

        Raises:
            IndexError: There was no such call: one before it raised.
        """
        result = self.results[number]
        if isinstance(result, dict):
            return result
        return {"ok": self.answer(marshal.loads(result))}  # noqa: S302 (written by this process)
