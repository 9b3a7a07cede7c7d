"""What an EvalPlus test says of a candidate where it is known what the right results hash to.

The text of this file begins every EvalPlus test; with `evalplus_check` after it, it is the whole test. Where a host has
seen the whole test pass with the right program, the test is this file alone: the inputs go to the candidate some at a
time, and the hash over its results (`entry.each`, see `sandbox.harness.batch`) is compared with the hash over the right
ones, which that first test left in its note. The right program need not run, and no result need come over.

Only equal hashes are taken as they are. Where one differs or there is none, the whole test is loaded: the results of
those inputs are asked for, and each is compared with that of the reference as ever, in the order of the inputs. Some
inputs together have the time that one may take; the reference took less than `TOGETHER_S` for all of them.
"""

import json
import signal
import time
from collections.abc import Callable
from typing import Any

PER_INPUT_S = 1.0
GROUP_S = 60.0
TOGETHER_S = 0.02


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


def too_slow(_number: int, _frame: object) -> None:
    """Raise; what SIGALRM does in a test."""
    raise TooSlow("one input, or all of them together, took too long")


def known(candidate: Any, text: str, note: str, whole: str) -> None:
    """Judge a candidate by the task in `text`; `whole` is the text of `evalplus_check`.

    Args:
        candidate: The stand-in of the function, which has `each` and `told`; of anything else, the whole test judges.
        text: As for `evalplus_check.check`.
        note: JSON of what `evalplus_check.Known` found for each group.
        whole: Needed where a hash differs.

    Raises:
        AssertionError: A wrong result.
        TooSlow: No results in time.
    """
    if "each" not in getattr(candidate, "__dict__", ()):
        _load(whole)["check"](candidate, text)
        return
    task = json.loads(text)
    signal.signal(signal.SIGALRM, too_slow)
    for inputs, found in zip(task["groups"], json.loads(note), strict=True):
        _group(candidate, task, inputs, found, whole)


def _group(candidate: Any, task: dict[str, Any], text: str, found: dict[str, Any], whole: str) -> None:
    inputs = json.loads(text, object_hook=revive)
    timer = Timer(len(inputs))
    group = None
    start = 0
    for count, digest, limit_s in found["batches"]:
        some = inputs[start : start + count]
        timer.left_s += limit_s - PER_INPUT_S
        said = timer.timed(candidate.each, [some], limit_s)
        if digest is None or said != digest:  # what a candidate says must never equal what is not known
            if group is None:
                space = _load(whole)
                group = space["Group"](task, "[]", space["reference_of"](task), timer)
            if found["float"] is not None and start > found["float"]:
                group.allow_tolerance()
            group.compare(candidate.told, some, start)
        start += count


def _load(text: str) -> dict[str, Any]:
    exec(text, globals())  # noqa: S102 (our own)
    return globals()


class Timer:
    """The time that is left for the inputs of a group."""

    def __init__(self, inputs: int) -> None:
        self.left_s = min(GROUP_S, PER_INPUT_S * inputs)

    def timed(self, function: Callable[..., Any], arguments: list[Any], limit_s: float) -> Any:
        """Return what the function returns.

        Raises:
            TooSlow: It takes longer than `limit_s`, or than all that is left.
        """
        started = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, max(min(limit_s, self.left_s), 0.001))
        try:
            return function(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            self.left_s -= time.perf_counter() - started
