"""One end of the conversation between a test and the code it calls.

Each side sends requests (`{"op": name, "a": [...]}`) and, until the answer comes, serves the other's. A value is sent
as it is when it is plain data (see `harness.wire`); anything else stays where it is and the other side gets a number.
"""

from __future__ import annotations

import builtins
import socket
import sys
from typing import Any

from . import wire
from .outcome import OutputLimit

# Modules whose contents a test may take from the code's namespace: both sides have them, and none runs text.
_SHARED = """
abc bisect cmath collections collections.abc copy datetime decimal fractions functools heapq itertools json math
operator random re statistics string textwrap typing
"""
SHARED_MODULES = frozenset(_SHARED.split())

MARGIN_BYTES = 1024
"""What a message may be longer than the value in it."""


class Died(BaseException):
    """The other side ended in the middle of a conversation."""


class Peer:
    """Keeps the objects the other side knows by number, and talks."""

    def __init__(self, sock: socket.socket, value_bytes: int, inbox: wire.Inbox | None = None) -> None:
        self.sock = sock
        self.inbox = inbox or wire.Inbox(sock)
        self.value_bytes = value_bytes
        self.objects: dict[int, object] = {}
        self.numbers: dict[int, int] = {}
        self.dead: str | None = None

    # --- objects -------------------------------------------------------------------------------------------------

    def keep(self, value: object) -> int:
        """Return the number of an object, the same one each time."""
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.objects)
            self.objects[number] = value
        return number

    def opaque(self, value: Any) -> object:
        """Return the form of a value that is not plain data."""
        raise NotImplementedError

    def build(self, data: list[Any]) -> object:
        """Return the object of a form that is not plain data."""
        raise NotImplementedError

    def perform(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        """Carry out a request and return its answer."""
        raise NotImplementedError

    def encode(self, value: object) -> object:
        """Return the form of any value."""
        return wire.encode(value, self.opaque)

    def decode(self, data: object) -> Any:
        """Return the value of any form."""
        return wire.decode(data, self.build)

    # --- conversation --------------------------------------------------------------------------------------------

    def request(self, name: str, arguments: list[object]) -> dict[str, Any]:
        """Send a request and return its answer, serving the other side meanwhile.

        Raises:
            Died: The other side ended, or does not keep to the protocol.
        """
        self._send({"op": name, "a": arguments})
        while True:
            message = self._receive()
            if "op" not in message:
                return message
            self._serve(message)

    def serve(self, message: dict[str, Any] | None = None) -> None:
        """Serve requests, `message` first, until the other side says that this is over.

        Raises:
            Died: The other side ended, or does not keep to the protocol.
        """
        message = message or self._receive()
        while "over" not in message:
            self._serve(message)
            message = self._receive()

    def _serve(self, message: dict[str, Any]) -> None:
        name, arguments = message.get("op"), message.get("a")
        if not isinstance(name, str) or not isinstance(arguments, list):
            raise self.fail("malformed request")
        answer = self.perform(name, arguments)
        try:
            frame = wire.pack(answer)
        except (ValueError, RecursionError, MemoryError):
            frame = b""
        if not frame or len(frame) > self.value_bytes:
            frame = wire.pack({"x": ["OutputLimit", "OutputLimit", None, ["L", "a value larger than the limit"]]})
        try:
            self.sock.sendall(frame)
        except OSError:
            raise self.fail("ended") from None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            wire.send(self.sock, message)
        except (OSError, wire.Closed):
            raise self.fail("ended") from None

    def _receive(self) -> dict[str, Any]:
        try:
            message = self.inbox.receive(self.value_bytes + MARGIN_BYTES)
        except wire.TooLarge:
            raise self.fail("output") from None
        except wire.WireError:
            raise self.fail("malformed message") from None
        except (OSError, wire.Closed):
            raise self.fail("ended") from None
        if not isinstance(message, dict):
            raise self.fail("malformed message")
        return message

    def fail(self, reason: str) -> Died:
        """Note for good why the conversation is over; return the exception to raise."""
        if self.dead is None:
            self.dead = reason
        return Died(reason)

    # --- exceptions ----------------------------------------------------------------------------------------------

    def exception_form(self, error: BaseException) -> list[object]:
        """Return `[name, nearest shared class, its module or the number of its own class, arguments]`."""
        kind = type(error)
        where: object = None
        base = kind
        if isinstance(error, OutputLimit):
            return ["OutputLimit", "OutputLimit", None, ["L", *map(str, error.args)]]
        if shared(kind):
            where = kind.__module__
        else:
            base = next((c for c in kind.__mro__ if getattr(builtins, c.__name__, None) is c), Exception)
            if base is not kind:
                where = self.keep(kind)
        try:
            arguments = wire.encode(list(error.args))
        except (wire.WireError, RecursionError):
            try:
                arguments = ["L", str(error)]
            except BaseException:  # noqa: BLE001 (a class of the code may raise anything)
                arguments = ["L"]
        return [str(kind.__name__), base.__name__, where, arguments]


def shared(value: Any) -> bool:
    """Say whether both sides have this function or class under the same name of a shared module."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module not in SHARED_MODULES:
        return False
    return getattr(sys.modules.get(module), name, None) is value


def find_shared(module: str, name: str | None) -> Any:
    """Return a shared module, or a thing of one.

    Raises:
        WireError: Not shared.
    """
    if module not in SHARED_MODULES or (name is not None and name.startswith("_")):
        raise wire.WireError(f"{module}.{name} is not shared")
    found = __import__(module, fromlist=["*"])
    return found if name is None else getattr(found, name)
