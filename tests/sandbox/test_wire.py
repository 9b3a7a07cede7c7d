"""Values cross the wire exactly, and nothing else crosses it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import socket
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
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
            wire.receive(theirs, 100)


def test_a_frame_longer_than_its_limit_is_refused_before_it_is_read() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(wire.HEADER.pack(2**32 - 1))
        with pytest.raises(wire.TooLarge):
            wire.receive(theirs, 1000)


def test_messages_and_descriptors_cross_together() -> None:
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    with ours, theirs:
        wire.send(ours, {"n": 1}, [writing])
        wire.send(ours, {"n": 2})
        message, fds = wire.receive_fds(theirs, 100, 2)
        assert (message, len(fds)) == ({"n": 1}, 1)
        os.write(fds[0], b"x")
        assert os.read(reading, 1) == b"x"
        assert wire.receive(theirs, 100) == {"n": 2}
    for fd in (reading, writing, fds[0]):
        os.close(fd)


@pytest.mark.parametrize("read", [lambda s: wire.receive(s, 10), lambda s: wire.receive_fds(s, 10, 1)])
def test_a_sender_that_has_gone_is_closed_and_nothing_else(read: Callable[[socket.socket], object]) -> None:
    ours, theirs = socket.socketpair()
    ours.close()
    with theirs, pytest.raises(wire.Closed):
        read(theirs)
