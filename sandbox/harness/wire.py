"""Plain data between processes: length-framed JSON, and values tagged with their exact builtin type.

Nothing that is read here can run code: no pickle, no marshal, no attribute of the sender's choosing. A value is a JSON
scalar where JSON says exactly the same thing, else a list `[tag, ...]`.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

HEADER = struct.Struct("!I")
DONE = struct.Struct("!xIidQ")  # cell, wait status, CPU seconds, resident bytes; no JSON starts with a zero byte
FD = struct.Struct("=i")
FD_SPACE = socket.CMSG_LEN(FD.size)
ORDER = struct.Struct("=BIIIq")  # host to zygote: what, session; to start one also forks, threads, CPU seconds
SPAWN, END, BURY = range(3)
"""Start a session; end it and report; end it and say nothing."""
READ_BYTES = 1 << 14
SMALL_INT = 2**63
MAX_DEPTH = 200

_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.JSONDecoder().decode


class WireError(ValueError):
    """The bytes are not a message, or the value has no plain form."""


class Closed(EOFError):  # noqa: N818 (an ending, not an error)
    """The other side has gone."""


class TooLarge(WireError):  # noqa: N818 (a finding)
    """A message is larger than its limit."""


def pack(message: object) -> bytes:
    """Return the frame of a JSON message."""
    body = _to_json(message).encode("ascii")
    return HEADER.pack(len(body)) + body


def send_fd(sock: socket.socket, data: bytes, fd: int) -> int:
    """Send bytes with a descriptor; return how many were sent."""
    return sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, FD.pack(fd))])


def receive_fd(sock: socket.socket, size: int) -> tuple[bytes, int | None]:
    """Receive at most `size` bytes, and the descriptor that came with them."""
    data, extra, _, _ = sock.recvmsg(size, FD_SPACE)
    return data, FD.unpack(extra[0][2])[0] if extra else None


def send(sock: socket.socket, message: object, fd: int | None = None) -> None:
    """Send one message, with a descriptor if there is one.

    Raises:
        Closed: The other side has gone.
    """
    frame = pack(message)
    try:
        sent = 0 if fd is None else send_fd(sock, frame, fd)
        if sent < len(frame):
            sock.sendall(frame[sent:])
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed("the other side has gone") from error


class Inbox:
    """Whole messages from a socket, read with as few system calls as they allow."""

    __slots__ = ("_data", "_sock", "_with_fds", "fds")

    def __init__(self, sock: socket.socket, *, with_fds: bool = False) -> None:
        """Read from `sock`; a message may bring a descriptor."""
        self._sock = sock
        self._with_fds = with_fds
        self._data = b""
        self.fds: list[int] = []
        """Descriptors that have come and that nobody has taken yet, in the order of their messages."""

    def receive(self, limit: int) -> Any:
        """Return the next message, of at most `limit` bytes.

        Raises:
            Closed: The other side has gone.
            TooLarge: The frame is longer than the limit.
            WireError: The frame is not JSON.
        """
        data = self._data
        while len(data) < HEADER.size:
            data += self._more()
        length: int = HEADER.unpack_from(data)[0]
        if length > limit:
            raise TooLarge(f"a message of {length} bytes; the limit is {limit}")
        end = HEADER.size + length
        if len(data) < end:
            parts, have = [data], len(data)
            while have < end:
                parts.append(self._more())
                have += len(parts[-1])
            data = b"".join(parts)
        self._data = data[end:]
        return unpack(data[HEADER.size : end])

    def _more(self) -> bytes:
        try:
            if self._with_fds:
                data, fd = receive_fd(self._sock, READ_BYTES)
                if fd is not None:
                    self.fds.append(fd)
            else:
                data = self._sock.recv(READ_BYTES)
        except ConnectionResetError as error:
            raise Closed("the other side has gone") from error
        if not data:
            raise Closed("the other side has gone")
        return data


def adopt(fd: int) -> socket.socket:
    """Return the socket of a descriptor of ours, without asking the kernel what kind it is."""
    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=fd)


def send_done(sock: socket.socket, cell: int, status: int, cpu_s: float, rss: int) -> None:
    """Send the end of one cell's process: packed, because encoding JSON touches many pages just after a fork."""
    try:
        sock.sendall(HEADER.pack(DONE.size) + DONE.pack(cell, status, cpu_s, rss))
    except (BrokenPipeError, ConnectionResetError) as error:
        raise Closed("the other side has gone") from error


def unpack(body: bytes) -> Any:
    """Return the JSON message of a frame's body."""
    try:
        return _from_json(body.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"not a message: {error}") from None


# --- values -----------------------------------------------------------------------------------------------------------

Opaque = Callable[[object], object]


def refuse(value: object) -> object:
    """Raise: this value has no plain form."""
    raise WireError(f"a {type(value).__name__} has no plain form")


def encode(value: object, opaque: Opaque = refuse, depth: int = MAX_DEPTH) -> object:
    """Return the JSON form of a value made of exact builtin types.

    Args:
        value: Any object.
        opaque: Called with every part that has no plain form; returns its JSON form or raises.
        depth: Nesting still allowed.

    Raises:
        WireError: Nested too deeply (a cycle, for instance), or `opaque` refused.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    scalar = _SCALARS.get(kind)
    if scalar is not None:
        return scalar(value)
    if depth <= 0:
        raise WireError("nested too deeply")
    tag = _SEQUENCES.get(kind)
    if tag is not None:
        return [tag, *(encode(item, opaque, depth - 1) for item in value)]  # type: ignore[attr-defined]
    tag = _MAPPINGS.get(kind)
    if tag is not None:
        flat: list[object] = [tag]
        for key, item in value.items():  # type: ignore[attr-defined]
            flat.append(encode(key, opaque, depth - 1))
            flat.append(encode(item, opaque, depth - 1))
        return flat
    if kind is deque:
        return ["Q", value.maxlen, *(encode(item, opaque, depth - 1) for item in value)]  # type: ignore[attr-defined]
    return opaque(value)


def _float(value: float) -> object:
    return value if math.isfinite(value) else ["f", repr(value)]


def _timedelta(value: timedelta) -> list[object]:
    return ["td", value.days, value.seconds, value.microseconds]


def _zone(value: Any) -> object:
    if value is None:
        return None
    if type(value) is timezone:
        offset = value.utcoffset(None)
        return [offset.days, offset.seconds, offset.microseconds, value.tzname(None)]
    raise WireError("a time zone that is not a fixed offset has no plain form")


def _datetime(v: datetime) -> list[object]:
    return ["dt", v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.fold, _zone(v.tzinfo)]


_SCALARS: dict[type, Callable[[Any], object]] = {
    int: lambda v: v if -SMALL_INT < v < SMALL_INT else ["i", hex(v)],
    float: _float,
    bytes: lambda v: ["b", v.hex()],
    bytearray: lambda v: ["B", v.hex()],
    complex: lambda v: ["c", _float(v.real), _float(v.imag)],
    range: lambda v: ["r", encode(v.start), encode(v.stop), encode(v.step)],
    Decimal: lambda v: ["d", str(v)],
    Fraction: lambda v: ["q", encode(v.numerator), encode(v.denominator)],
    date: lambda v: ["da", v.year, v.month, v.day],
    time: lambda v: ["ti", v.hour, v.minute, v.second, v.microsecond, v.fold, _zone(v.tzinfo)],
    datetime: _datetime,
    timedelta: _timedelta,
    timezone: lambda v: ["tz", _zone(v)],
    type(Ellipsis): lambda v: ["..."],
    type(NotImplemented): lambda v: ["NI"],
}
_SEQUENCES: dict[type, str] = {list: "L", tuple: "T", set: "S", frozenset: "F"}
_MAPPINGS: dict[type, str] = {dict: "D", Counter: "C", OrderedDict: "O", defaultdict: "E"}


def _pairs(flat: list[Any]) -> list[tuple[Any, Any]]:
    if len(flat) % 2:
        raise WireError("a mapping with half a pair")
    return list(zip(flat[::2], flat[1::2], strict=True))


def _unzone(data: Any) -> timezone | None:
    if data is None:
        return None
    days, seconds, micros, name = data
    offset = timedelta(days, seconds, micros)
    plain = timezone(offset)
    return plain if plain.tzname(None) == name else timezone(offset, name)


_FROM_ITEMS: dict[str, Callable[[list[Any]], object]] = {
    "L": lambda items: items,
    "T": tuple,
    "S": set,
    "F": frozenset,
    "Q": lambda items: deque(items[1:], items[0]),
    "r": lambda items: range(*items),
    "q": lambda items: Fraction(*items),
    "c": lambda items: complex(*items),
    "D": lambda items: dict(_pairs(items)),
    "C": lambda items: Counter(dict(_pairs(items))),
    "O": lambda items: OrderedDict(_pairs(items)),
    "E": lambda items: defaultdict(None, _pairs(items)),
}
_FROM_RAW: dict[str, Callable[..., object]] = {
    "i": lambda text: int(text, 16),
    "f": lambda text: {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}[text],
    "b": bytes.fromhex,
    "B": bytearray.fromhex,
    "d": Decimal,
    "da": date,
    "ti": lambda h, m, s, us, fold, tz: time(h, m, s, us, _unzone(tz), fold=fold),
    "dt": lambda y, mo, d, h, m, s, us, fold, tz: datetime(y, mo, d, h, m, s, us, _unzone(tz), fold=fold),
    "td": timedelta,
    "tz": _unzone,
    "...": lambda: ...,
    "NI": lambda: NotImplemented,
}


def decode(data: object, opaque: Callable[[list[Any]], object] | None = None) -> Any:
    """Return the value of its JSON form.

    Args:
        data: What `encode` returned, after JSON.
        opaque: Called with every tagged list whose tag is not a builtin value's; returns its object or raises.

    Raises:
        WireError: Not the form of any value.
    """
    try:
        return _decode(data, opaque)
    except WireError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise WireError(f"not a value: {type(error).__name__}: {error}") from None


def _decode(data: object, opaque: Callable[[list[Any]], object] | None) -> object:
    if not isinstance(data, list):
        if isinstance(data, dict):
            raise WireError("not a value: a bare object")
        return data
    if not data or not isinstance(data[0], str):
        raise WireError("not a value: no tag")
    build = _FROM_ITEMS.get(data[0])
    if build is not None:
        return build([_decode(item, opaque) for item in data[1:]])
    raw = _FROM_RAW.get(data[0])
    if raw is not None:
        return raw(*data[1:])
    if opaque is None:
        raise WireError(f"not a value: tag {data[0]!r}")
    return opaque(data)
