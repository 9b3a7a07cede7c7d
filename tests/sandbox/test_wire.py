"""Values cross the wire exactly, and nothing else crosses it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.harness import wire

HASHABLE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers().map(lambda number: number << 17000),
    st.floats(),
    st.text(st.characters(codec=None)),
    st.binary(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-3, minutes=7), "here")])),
    st.datetimes(),
    st.timedeltas(),
    st.builds(range, st.integers(), st.integers(), st.integers(min_value=1)),
    st.just(...),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(deque),
        st.lists(inner, max_size=3).map(lambda items: deque(items, 3)),
        st.sets(HASHABLE),
        st.frozensets(HASHABLE),
        st.dictionaries(HASHABLE, inner),
        st.dictionaries(HASHABLE, inner).map(OrderedDict),
        st.dictionaries(HASHABLE, inner).map(lambda items: defaultdict(None, items)),
        st.dictionaries(HASHABLE, st.integers()).map(Counter),
        st.binary().map(bytearray),
    )


VALUES = st.recursive(HASHABLE, containers, max_leaves=20)


def same(left: Any, right: Any) -> bool:
    """Equal in type, value and sign at every depth; not-a-number equals itself."""
    if type(left) is not type(right):
        return False
    if isinstance(left, float):
        return math.isnan(left) == math.isnan(right) and repr(left) == repr(right)
    if isinstance(left, complex):
        return same(left.real, right.real) and same(left.imag, right.imag)
    if isinstance(left, deque) and left.maxlen != right.maxlen:
        return False
    if isinstance(left, (list, tuple, deque)):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return same(list(left.items()), list(right.items()))
    if isinstance(left, (set, frozenset)):
        return sorted(map(repr, left)) == sorted(map(repr, right))
    return repr(left) == repr(right)


@pytest.fixture(autouse=True, scope="module")
def long_integers() -> Any:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    yield
    sys.set_int_max_str_digits(before)


@given(VALUES)
def test_a_value_comes_back_as_it_went(value: object) -> None:
    crossed = wire.decode(json.loads(json.dumps(wire.encode(value))))
    assert same(value, crossed), (value, crossed)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
        st.tuples(st.sampled_from([*wire._FROM_ITEMS, *wire._FROM_RAW]), inner, inner).map(list),
        st.tuples(st.sampled_from([*wire._FROM_ITEMS, *wire._FROM_RAW]), inner).map(list),
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_a_value_or_a_wire_error(data: object) -> None:
    with contextlib.suppress(wire.WireError):
        wire.decode(data)


class Strange(int):
    pass


STRANGE = {
    "subclass": Strange(1),
    "object": object(),
    "function": len,
    "module": os,
    "inside a list": [Strange(2)],
    "inside a dict": {"a": object()},
    "type": type,
}


@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_what_is_not_exactly_a_builtin_value_is_refused(value: object) -> None:
    with pytest.raises(wire.WireError):
        wire.encode(value)


def test_a_cycle_is_refused_and_not_followed() -> None:
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(wire.WireError, match="deeply"):
        wire.encode(cycle)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(data: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        with contextlib.suppress(wire.WireError, wire.Closed):
            wire.Inbox(theirs).receive(100)


@given(st.lists(st.text(max_size=30), max_size=8), st.data())
def test_messages_come_out_as_they_went_in_however_their_bytes_are_cut(texts: list[str], data: st.DataObject) -> None:
    stream = b"".join(map(wire.pack, texts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        inbox, received = wire.Inbox(theirs), list[str]()
        ends = [len(b"".join(map(wire.pack, texts[: i + 1]))) for i in range(len(texts))]
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            ours.sendall(stream[start:end])
            while len(received) < len(texts) and ends[len(received)] <= end:
                received.append(inbox.receive(1000))
        assert received == texts


def test_a_large_message_is_read_whole_and_what_follows_stays() -> None:
    ours, theirs = socket.socketpair()
    large = "x" * (wire.READ_BYTES * 5)
    with ours, theirs:
        sender = threading.Thread(target=ours.sendall, args=(wire.pack(large) + wire.pack("next"),))
        sender.start()
        inbox = wire.Inbox(theirs)
        assert inbox.receive(len(large) + 2) == large
        assert inbox.receive(10) == "next"
        sender.join()


def test_a_frame_longer_than_its_limit_is_refused_before_it_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.HEADER.pack(2**32 - 1))
        with pytest.raises(wire.TooLarge):
            wire.Inbox(theirs).receive(1000)


def test_messages_and_descriptors_cross_together() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with ours, theirs:
        wire.send(ours, {"n": 1})
        wire.send(ours, {"n": 2}, writing)
        wire.send(ours, {"n": 3})
        inbox = wire.Inbox(theirs, with_fds=True)
        assert [inbox.receive(100) for _ in range(3)] == [{"n": 1}, {"n": 2}, {"n": 3}]
        (fd,) = inbox.fds
        os.write(fd, b"x")
        assert os.read(reading, 1) == b"x"
    for each in (reading, writing, fd):
        os.close(each)


@pytest.mark.parametrize("with_fds", [False, True])
def test_a_sender_that_has_gone_is_closed_and_nothing_else(with_fds: bool) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs, pytest.raises(wire.Closed):
        wire.Inbox(theirs, with_fds=with_fds).receive(10)
