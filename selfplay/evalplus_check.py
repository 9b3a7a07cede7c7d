"""What an EvalPlus test says of a candidate; the text of this file is the beginning of every such test.

It runs in the sandbox's judge, which has the standard library and never sees the candidate's code. Each input goes to
the reference first, then to the candidate, and the two results are compared as evalplus 0.3.1 compares them
(`evalplus/eval/__init__.py`, `unsafe_execute`):

- equal is right;
- a difference is right if it is within `atol` (and a relative 1e-07), of the same type and length. `atol` is the
  task's, or 1e-6 from the first input on whose right result is a float or a sequence of floats;
- some tasks have a rule of their own (`ORACLES`);
- one input may take as long as four times the reference, at least a second; all inputs of a group a minute. What the
  result takes to come over is not the candidate's time: ten times what writing down the right one takes is added.

Deviations: (1) near results must have the same shape, where numpy would stretch one over the other; (2) a rule that
reads the arguments reads them as they were before the candidate changed them; (3) HumanEval/32 is judged by its rule,
where evalplus 0.3.1 loses count of its inputs and fails every answer; (4) base and plus inputs share a process.
"""

import cmath
import contextlib
import copy
import json
import math
import signal
import time
from collections.abc import Callable
from typing import Any

PER_INPUT_S = 1.0
REFERENCE_FACTOR = 4.0
GROUP_S = 60.0
CROSSING_FACTOR = 10.0
FLOAT_ATOL = 1e-6
RTOL = 1e-07
NUMBERS = (bool, int, float, complex)


class TooSlow(Exception):  # noqa: N818 (an ending)
    """The candidate took longer than it may."""


def revive(tagged: dict[str, Any]) -> object:
    """Return the value that JSON has no form for: `{"tuple": [...]}` and the like; see `selfplay.evalplus`."""
    ((kind, items),) = tagged.items()
    makers: dict[str, Callable[[Any], object]] = {
        "tuple": tuple,
        "dict": dict,
        "complex": lambda parts: complex(*parts),
    }
    return makers[kind](items)


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


class Group:
    """Some inputs of a task, one after another; what is remembered between them."""

    def __init__(self, task: dict[str, Any], inputs: str, reference: Callable[..., Any]) -> None:
        self.oracle: str = task["oracle"]
        self.atol: float = task["atol"]
        self.reference = reference
        self.inputs: list[list[Any]] = json.loads(inputs, object_hook=revive)
        self.left_s = min(GROUP_S, PER_INPUT_S * len(self.inputs))

    def run(self, candidate: Callable[..., Any]) -> None:
        """Put every input to the candidate.

        Raises:
            AssertionError: A wrong result.
            TooSlow: No result in time.
        """
        for number, arguments in enumerate(self.inputs):
            before = copy.deepcopy(arguments)
            if self.oracle == "root":
                check_root(self._timed(candidate, arguments, PER_INPUT_S), before[0], self.atol)
                continue
            right, limit_s = self._right(arguments)
            if self.oracle == "found_or_not":
                right = right is not None
            result = self._timed(candidate, arguments, limit_s)
            assert self.agrees(result, right, before), f"input {number} has another result"  # noqa: S101

    def _right(self, arguments: list[Any]) -> tuple[Any, float]:
        """Return the right result, and the seconds that the candidate has for it."""
        arguments = copy.deepcopy(arguments)
        started = time.perf_counter()
        right = self.reference(*arguments)
        known = time.perf_counter()
        with contextlib.suppress(ValueError):  # an int of more than 4300 digits, which crosses all the same
            repr(right)
        written = time.perf_counter()
        limit_s = max(PER_INPUT_S, REFERENCE_FACTOR * (known - started)) + CROSSING_FACTOR * (written - known)
        self.left_s += limit_s - PER_INPUT_S
        return right, limit_s

    def _timed(self, candidate: Callable[..., Any], arguments: list[Any], limit_s: float) -> Any:
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, max(min(limit_s, self.left_s), 0.001))
        try:
            return candidate(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.left_s -= time.perf_counter() - started

    def agrees(self, result: Any, right: Any, arguments: list[Any]) -> bool:
        """Say whether a result is right; from the first right result that is a float on, tolerance is allowed."""
        exact = ORACLES[self.oracle](result, right, arguments)
        if self.atol == 0 and is_floats(right):
            self.atol = FLOAT_ATOL
        if exact or self.atol == 0:
            return exact
        return type(result) is type(right) and close(result, right, self.atol)


def check(candidate: Callable[..., Any], text: str) -> None:
    """Judge a candidate by the task in `text`: JSON of name, reference, oracle, atol and groups of inputs."""
    task = json.loads(text)
    space: dict[str, Any] = {"__name__": "reference"}
    exec(task["reference"], space)  # noqa: S102 (published with the task, and run where the candidate is not)
    signal.signal(signal.SIGALRM, _too_slow)
    for inputs in task["groups"]:
        Group(task, inputs, space[task["name"]]).run(candidate)


def _too_slow(_number: int, _frame: object) -> None:
    raise TooSlow("one input, or all of them together, took too long")
