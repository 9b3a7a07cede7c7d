"""What an EvalPlus test says of a candidate; the text of this file, after that of `evalplus_known`, begins the test.

It runs in the sandbox's judge, which has the standard library and never sees the candidate's code. Each input goes to
the reference first, then to the candidate, and the two results are compared as evalplus 0.3.1 compares them
(`evalplus/eval/__init__.py`, `unsafe_execute`):

- equal is right;
- a difference is right if it is within `atol` (and a relative 1e-07), of the same type and length. `atol` is the
  task's, or 1e-6 from the first input on whose right result is a float or a sequence of floats;
- some tasks have a rule of their own (`ORACLES`);
- one input may take as long as four times the reference, at least a second; all inputs of a group a minute. What the
  result takes to come over is not the candidate's time: ten times what writing down the right one takes is added.

A test that was passed leaves a note of what the right results hash to, for `evalplus_known`.

Deviations: (1) near results must have the same shape, where numpy would stretch one over the other; (2) a rule that
reads the arguments reads them as they were before the candidate changed them; (3) HumanEval/32 is judged by its rule,
where evalplus 0.3.1 loses count of its inputs and fails every answer; (4) base and plus inputs share a process.
"""

import cmath
import contextlib
import copy
import json
import marshal
import math
import signal
import time
from _blake2 import blake2b
from collections.abc import Callable
from typing import Any

from selfplay.evalplus_known import PER_INPUT_S, TOGETHER_S, Timer, revive, too_slow

REFERENCE_FACTOR = 4.0
CROSSING_FACTOR = 10.0
MOST_TOGETHER = 64
MOST_BYTES = 1 << 20
"""Of the right results of inputs that are put to a candidate together."""
FLOAT_ATOL = 1e-6
RTOL = 1e-07
NUMBERS = (bool, int, float, complex)


def close(result: object, right: object, atol: float) -> bool:
    """Say whether two numbers, or two equally shaped nested sequences of numbers, are as near as `numpy.allclose` asks.

    |result - right| <= atol + 1e-07 * |right| for each; infinities equal themselves, not-a-number nothing.
    """
    if isinstance(right, (list, tuple)):
        if not isinstance(result, (list, tuple)) or len(result) != len(right):
            return False
        return all(close(a, b, atol) for a, b in zip(result, right, strict=True))
    if type(result) not in NUMBERS or type(right) not in NUMBERS:
        return False
    x: Any = result
    y: Any = right if isinstance(right, complex) else float(right)  # type: ignore[arg-type]
    return bool(x == y) or (cmath.isfinite(y) and abs(x - y) <= atol + RTOL * abs(y))


def is_floats(value: object) -> bool:
    """Say whether a right result is a float, or a list or tuple of nothing but floats, with at least one."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, float) for item in value)
    return isinstance(value, float)


def same_set(result: Any, right: Any, _arguments: list[Any]) -> bool:
    """The order and number of items do not matter."""
    return set(result) == set(right)


def found_or_not(result: Any, right: Any, _arguments: list[Any]) -> bool:
    """Only whether there is a result matters; a bool is taken at its word."""
    return bool(result == right) if isinstance(result, bool) else right == (result is not None)


def pyramid(result: Any, right: Any, arguments: list[Any]) -> bool:
    """Mbpp/581: the height may also be taken as that of the pyramid, not of its sides."""
    if result == right:
        return True
    base, height = arguments
    slant = math.sqrt((base / 2) ** 2 + height**2)
    return bool(abs(result - round(base**2 + 2 * base * slant)) <= 0)


def digit_places(result: Any, right: Any, arguments: list[Any]) -> bool:
    """Mbpp/558: the digits may also be compared place by place, the shorter number filled up with zeros."""
    first, second = (str(number) for number in arguments)
    width = max(len(first), len(second))
    places = zip(first.zfill(width), second.zfill(width), strict=True)
    return bool(result == right or result == sum(abs(int(a) - int(b)) for a, b in places))


ORACLES: dict[str, Callable[[Any, Any, list[Any]], bool]] = {
    "equal": lambda result, right, _arguments: bool(result == right),
    "same_set": same_set,
    "found_or_not": found_or_not,
    "pyramid": pyramid,
    "digit_places": digit_places,
}


def check_root(result: Any, coefficients: list[float], atol: float) -> None:
    """HumanEval/32: any x will do at which the polynomial is near 0."""
    assert abs(sum(each * math.pow(result, power) for power, each in enumerate(coefficients))) <= atol  # noqa: S101


class Known:
    """What the right results of a group hash to, some inputs at a time: few at first, so that a wrong one is soon seen.

    `batches` are `[inputs, hash, seconds that they have]`. There is no hash where the right result is no plain data, or
    its equals are not right (not-a-number). Such an input is by itself, and so is one whose reference takes its time.
    """

    def __init__(self) -> None:
        self.batches: list[tuple[int, str | None, float]] = []
        self.first_float: int | None = None
        self.inputs = 0
        self._clear()

    def _clear(self) -> None:
        self.count, self.bytes, self.took_s = 0, 0, 0.0
        self.hash = blake2b(digest_size=16)

    def add(self, written: bytes | None, *, took_s: float, limit_s: float, is_float: bool) -> None:
        """Note the next right result: its bytes, and the seconds that the reference took and a candidate has."""
        if is_float and self.first_float is None:
            self.first_float = self.inputs
        self.inputs += 1
        alone = written is None or took_s > TOGETHER_S or len(written) > MOST_BYTES
        if alone or self.took_s + took_s > TOGETHER_S or self.bytes + len(written or b"") > MOST_BYTES:
            self.finish()
        if written is None:
            self.batches.append((1, None, round(limit_s, 3)))
            return
        self.hash.update(len(written).to_bytes(8, "big"))
        self.hash.update(written)
        self.count, self.bytes, self.took_s = self.count + 1, self.bytes + len(written), self.took_s + took_s
        if alone or self.count == min(MOST_TOGETHER, 1 << len(self.batches)):
            self.finish(limit_s if self.count == 1 else PER_INPUT_S)

    def finish(self, limit_s: float = PER_INPUT_S) -> None:
        """End a batch, if one has begun."""
        if self.count:
            self.batches.append((self.count, self.hash.hexdigest(), round(limit_s, 3)))
        self._clear()

    def note(self) -> dict[str, Any]:
        """Return it as `evalplus_known.known` reads it."""
        self.finish()
        return {"batches": self.batches, "float": self.first_float}


class Group:
    """Some inputs of a task, one after another; what is remembered between them."""

    def __init__(
        self, task: dict[str, Any], inputs: str, reference: Callable[..., Any], timer: Timer | None = None
    ) -> None:
        self.oracle: str = task["oracle"]
        self.atol: float = task["atol"]
        self.reference = reference
        self.inputs: list[list[Any]] = json.loads(inputs, object_hook=revive)
        self.timer = timer or Timer(len(self.inputs))
        self.known = Known()

    def run(self, candidate: Callable[..., Any]) -> None:
        """Put every input to the candidate.

        Raises:
            AssertionError: A wrong result.
            TooSlow: No result in time.
        """
        for number, arguments in enumerate(self.inputs):
            before = copy.deepcopy(arguments)
            if self.oracle == "root":
                check_root(self.timer.timed(candidate, arguments, PER_INPUT_S), before[0], self.atol)
                continue
            right, took_s, limit_s = self._right(arguments)
            self.timer.left_s += limit_s - PER_INPUT_S
            wanted = self._wanted(right)
            result = self.timer.timed(candidate, arguments, limit_s)
            assert self.agrees(result, wanted, before), f"input {number} has another result"  # noqa: S101
            written = self._written(right, before)
            self.known.add(written, took_s=took_s, limit_s=limit_s, is_float=is_floats(wanted))

    def compare(self, told: Callable[[int], Any], inputs: list[list[Any]], start: int) -> None:
        """Compare what a candidate says to some inputs, of which the first is number `start`."""
        for number, arguments in enumerate(inputs):
            right, _, limit_s = self._right(arguments)
            result = self.timer.timed(told, [number], limit_s)
            assert self.agrees(result, self._wanted(right), arguments), f"input {start + number} has another result"  # noqa: S101

    def _right(self, arguments: list[Any]) -> tuple[Any, float, float]:
        """Return the right result, the seconds that it took, and those that the candidate has for it."""
        arguments = copy.deepcopy(arguments)
        started = time.perf_counter()
        right = self.reference(*arguments)
        known = time.perf_counter()
        with contextlib.suppress(ValueError):  # an int of more than 4300 digits, which crosses all the same
            repr(right)
        written = time.perf_counter()
        took_s = known - started
        return right, took_s, max(PER_INPUT_S, REFERENCE_FACTOR * took_s) + CROSSING_FACTOR * (written - known)

    def _wanted(self, right: Any) -> Any:
        """Return what a result is compared with."""
        return right is not None if self.oracle == "found_or_not" else right

    def _written(self, right: Any, arguments: list[Any]) -> bytes | None:
        """Return the bytes of a right result, if what is made of them is right too, without tolerance."""
        try:
            found = marshal.dumps(right, 2)
        except ValueError:
            return None
        again = marshal.loads(found)  # noqa: S302 (written just now)
        return found if ORACLES[self.oracle](again, self._wanted(right), arguments) else None

    def agrees(self, result: Any, right: Any, arguments: list[Any]) -> bool:
        """Say whether a result is right; from the first right result that is a float on, tolerance is allowed."""
        exact = ORACLES[self.oracle](result, right, arguments)
        if is_floats(right):
            self.allow_tolerance()
        if exact or self.atol == 0:
            return exact
        return type(result) is type(right) and close(result, right, self.atol)

    def allow_tolerance(self) -> None:
        """Do not ask for equality any more, if the task has no tolerance of its own."""
        self.atol = self.atol or FLOAT_ATOL


def reference_of(task: dict[str, Any]) -> Callable[..., Any]:
    """Return the reference of a task."""
    space: dict[str, Any] = {"__name__": "reference"}
    exec(task["reference"], space)  # noqa: S102 (published with the task, and run where the candidate is not)
    found: Callable[..., Any] = space[task["name"]]
    return found


def check(candidate: Callable[..., Any], text: str) -> str:
    """Judge a candidate by the task in `text`: JSON of name, reference, oracle, atol and groups of inputs.

    Returns:
        JSON of what is known of the right results of each group; nothing where any root will do.

    Raises:
        AssertionError: A wrong result.
        TooSlow: No result in time.
    """
    task = json.loads(text)
    signal.signal(signal.SIGALRM, too_slow)
    reference = reference_of(task)
    groups = []
    for inputs in task["groups"]:
        groups.append(Group(task, inputs, reference))
        groups[-1].run(candidate)
    return "" if task["oracle"] == "root" else json.dumps([group.known.note() for group in groups])
