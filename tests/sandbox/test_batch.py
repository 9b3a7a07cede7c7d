"""Many calls in one message: the hash over their results, and what is told of each."""

from __future__ import annotations

import marshal
from _blake2 import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import Sandbox, Status
from sandbox.harness.batch import DIGEST_BYTES, FORMAT, LENGTH_BYTES, Batch
from sandbox.harness.peer import Peer

pytestmark = pytest.mark.isolation

HASH = f"""
import marshal
from _blake2 import blake2b
def hash_of(*results):
    found = blake2b(digest_size={DIGEST_BYTES})
    for each in results:
        data = marshal.dumps(each, {FORMAT})
        found.update(len(data).to_bytes({LENGTH_BYTES}, "big") + data)
    return found.hexdigest()
"""
TOLD = """
def told(number):
    try:
        return f.told(number)
    except Exception as error:
        return type(error).__name__
"""
IDENTITY = "def f(x): return x"
SHARED = "kept = []\ndef f(x):\n    kept.append(x)\n    return kept"
RAISING = "def f(x): return 1 // x"
GROWING = "def f(x):\n    x.append(1)\n    return x"
OBJECTS = "class A:\n    value = 3\ndef f(x): return A() if x else (v for v in [7])"
LYING = "class A(int):\n    __eq__ = lambda *_: True\n    __hash__ = int.__hash__\ndef f(x): return A(x)"


@pytest.mark.parametrize(
    ("code", "test"),
    [
        (IDENTITY, "assert f.each([[1], ['a'], [[2.5, (None, True)]]]) == hash_of(1, 'a', [2.5, (None, True)])"),
        (IDENTITY, "assert f.each([[1], [2]]) != hash_of(2, 1)"),
        (IDENTITY, "assert f.each([[1], [2]]) != hash_of(1)"),
        (IDENTITY, "assert f.each([[1]]) != hash_of(True)"),
        (IDENTITY, "assert f.each([[1]]) != hash_of(1.0)"),
        (IDENTITY, "assert f.each([['a'], ['bc']]) != hash_of('ab', 'c')"),
        (IDENTITY, "assert f.each([[{'b', 'a', 'c'}]]) == hash_of({'c', 'b', 'a'})"),
        (IDENTITY, "assert f.each([]) == hash_of()"),
        (IDENTITY, "f.each([[1], ['a']])\nassert [f.told(0), f.told(1)] == [1, 'a']"),
        (IDENTITY, "f.each([[1]])\nf.each([[2]])\nassert f.told(0) == 2"),
        (IDENTITY, "f.each([[1]])\nassert told(1) == 'IndexError'"),
        (IDENTITY, "assert told(0) == 'IndexError'"),
        ("f = 3", "try:\n    f.each([[1]])\nexcept TypeError:\n    pass\nassert told(0) == 'TypeError'"),
        ("g = 3", "try:\n    f.each([[1]])\nexcept NameError:\n    f = None\nassert f is None"),
        # What is changed later was something else when it was returned.
        (SHARED, "assert f.each([[1], [2]]) == hash_of([1], [1, 2])"),
        (SHARED, "f.each([[1], [2]])\nassert f.told(0) == [1]"),
        # The first call that raises is the last.
        (RAISING, "f.each([[1], [0], [2]])\nassert [*map(told, range(3))] == [1, 'ZeroDivisionError', 'IndexError']"),
        (RAISING, "assert f.each([[1], [0]]) != hash_of(1)"),
        # Objects stay where they are, and have no hash.
        (OBJECTS, "f.each([[1], [0]])\nassert f.told(0).value == 3\nassert list(f.told(1)) == [7]"),
        (LYING, "assert f.each([[1]]) != hash_of(1)\nassert not f.told(0) == 2"),
        # The arguments of each call are its own.
        (GROWING, "a = []\nassert f.each([[a], [a]]) == hash_of([1], [1])\nassert a == []"),
    ],
)  # fmt: skip
def test_a_hash_is_of_what_the_calls_returned(strong: Sandbox, code: str, test: str) -> None:
    verdict = strong.run(code, f"{HASH}{TOLD}{test}\n", entry_point="f")
    assert (verdict.status, verdict.trust) == (Status.PASSED, "split"), verdict.detail


def test_every_level_makes_many_calls_at_once(box: Sandbox) -> None:
    test = f"{HASH}\nassert f.each([[n] for n in range(1000)]) == hash_of(*range(1000))\nassert f.told(999) == 999"
    assert box.run(IDENTITY, test, entry_point="f").passed


def test_what_a_code_says_instead_of_a_hash_makes_no_pass(strong: Sandbox) -> None:
    forged = (
        "import sys\n"
        "peer = sys.modules['harness.candidate']\n"
        "peer.CodePeer.perform = lambda *_: {'ok': ['L']}\n"
        "def f(x): return x\n"
    )
    verdict = strong.run(forged, "assert f.each([[1]])", entry_point="f")
    assert (verdict.status, verdict.trust) == (Status.TAMPERED, "split")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("import os\ndef f(x): os._exit(0)", Status.CRASHED),
        ("def f(x):\n    while True: pass", Status.TIMEOUT),
        ("def f(x): print('x' * 10**7)", Status.OUTPUT),
        ("import sys\ndef f(x): sys.exit(0)", Status.EXCEPTION),
        ("def f(x): return [0] * 10**12", Status.MEMORY),
    ],
)
def test_what_ends_a_call_ends_many_calls(strong: Sandbox, code: str, status: Status) -> None:
    assert strong.run(code, "f.each([[1], [2]])\nf.told(0)", entry_point="f").status is status


@pytest.mark.parametrize(
    ("code", "test", "note"),
    [
        (IDENTITY, "NOTE = 'seen'\nassert f(1) == 1", "seen"),
        (IDENTITY, "NOTE = 'seen'\nassert f(1) == 2", "AssertionError"),
        (IDENTITY, "NOTE = ['seen']\nassert f(1) == 1", ""),
        (IDENTITY, "NOTE = 'x' * 32_000", "x" * 32_000),
        (IDENTITY, "NOTE = 'x' * 32_001", ""),
        (f"NOTE = 'forged'\n{IDENTITY}", "assert f(1) == 1", ""),
        # In one process the code could have written it.
        ("class f:\n    pass", "class Mine(f):\n    pass\nMine()\nNOTE = 'seen'", None),
    ],
)
def test_a_note_comes_from_a_passed_test_that_never_met_the_code(
    strong: Sandbox, code: str, test: str, note: str | None
) -> None:
    verdict = strong.run(code, test, entry_point="f")
    if note is None:
        assert (verdict.status, verdict.trust) == (Status.PASSED, "in_process")
        assert "seen" not in verdict.detail
    else:
        assert verdict.detail == note


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
PLAIN = st.recursive(
    SCALARS | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    | st.frozensets(st.integers() | st.text(max_size=2), max_size=4),
    max_leaves=8,
)  # fmt: skip


class Silent(Peer):
    """Takes every form for a call without arguments."""

    def __init__(self) -> None:
        """Need no socket."""

    def decode(self, _: object) -> list[object]:
        return []


@given(st.lists(PLAIN, max_size=4), st.lists(PLAIN, max_size=4))
def test_hashes_are_the_same_for_the_same_results_alone(left: list[Any], right: list[Any]) -> None:
    def digest(results: list[Any]) -> str:
        left_over = iter(results)
        return Batch(Silent(), str).calls(lambda: next(left_over), [None] * len(results))

    again = marshal.loads(marshal.dumps(left, 4))  # noqa: S302 (other objects, some of them shared)
    assert digest(again) == digest(left)
    if repr(left) != repr(right):
        assert (digest(left) == digest(right)) is (marshal.dumps(left, FORMAT) == marshal.dumps(right, FORMAT))
    assert digest([]) == blake2b(digest_size=DIGEST_BYTES).hexdigest()
