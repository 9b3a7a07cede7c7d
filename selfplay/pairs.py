"""Pass matrix -> preference pair, the filters on it, and how often such pairs tell the truth.

The rules themselves are in `rules.py`. Nothing here reads a clock, a file or a global random state.

What the paper (arXiv 2411.13611) leaves open and this module settles:
  1. ties are broken by a seeded uniform choice, never by position;
  2. `cross_check` (see rules.py);
  3. `eligible`: the chosen code must pass, and the chosen test must be passed by, more than a minimum;
  4. `similarity`: a measure by which near-identical programs can be left out.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import re
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from selfplay.rules import RULES, Bools, Selection

__all__ = ["RULES", "Counts", "Selection", "derive_seed", "eligible", "reliability", "select", "similarity"]

_LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING, tokenize.ENDMARKER}
_WORD = re.compile(r"\w+|[^\w\s]")


def select(passed: Bools, rule: str = "dstc", *, seed: int, cross_check: bool = False) -> Selection | None:
    """Return the rule's pair, true by construction, or None where there is none.

    Rules "dstc" and "random" find a pair unless nothing passes or everything passes; with `cross_check`, unless no test
    tells two codes apart. The others also need two codes that they score differently.

    Args:
        passed: (C, T) bool, `passed[j, k]` says that code j passes test k; C and T may be 0.
        rule: A key of `RULES`.
        seed: Breaks ties; take `derive_seed(run, round, problem)`. The same seed gives the same pair.
        cross_check: The chosen code must also pass the rejected test, and the rejected code also fail the chosen one.

    Raises:
        ValueError: Unknown rule, or no boolean matrix.
    """
    if rule not in RULES:
        raise ValueError(f"unknown rule {rule!r}: known are {', '.join(RULES)}")
    if passed.ndim != 2 or passed.dtype != np.bool_:
        raise ValueError(f"passed must be a (C, T) bool matrix, not {passed.dtype} of shape {passed.shape}")
    rng = np.random.default_rng(seed)
    return RULES[rule](passed, lambda n: int(rng.integers(n)), cross_check)


def eligible(passed: Bools, selection: Selection, *, min_passed: int, min_agree: int) -> bool:
    """Return whether enough agreement stands behind the chosen side of a pair.

    Args:
        passed: (C, T) bool.
        selection: A pair of this matrix.
        min_passed: Tests that the chosen code must pass, >= 1.
        min_agree: Codes, the chosen one included, that must pass the chosen test, >= 1.
    """
    enough_tests = int(passed[selection.chosen_code].sum()) >= min_passed
    return enough_tests and int(passed[:, selection.chosen_test].sum()) >= min_agree


def similarity(a: str, b: str) -> float:
    """Return how alike two programs are, from 0 (no common token) to 1 (the same tokens in the same order).

    Twice the number of matching tokens over the number of all tokens (difflib's ratio). Comments and line ends do not
    count. Text that Python cannot tokenize is compared word by word. Symmetric.
    """
    # difflib's ratio depends on the order of its arguments.
    first, second = sorted((a, b))
    left, right = _tokens(first), _tokens(second)
    if left is None or right is None:
        left, right = _WORD.findall(first), _WORD.findall(second)
    return difflib.SequenceMatcher(None, left, right, autojunk=False).ratio()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many pairs tell the truth; counts of several problems add up with `+`."""

    pairs: int = 0
    measured: int = 0
    """Pairs of problems with reference tests."""
    good: int = 0
    """Chosen code right, rejected code wrong."""
    inverted: int = 0
    """Chosen code wrong, rejected code right."""
    tests_measured: int = 0
    """Tests in pairs (two each) of problems with a reference solution."""
    tests_right: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Return the counts of both."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in Counts.__dataclass_fields__})


def reliability(
    selection: Selection | None, code_right: Sequence[bool] | None, test_right: Sequence[bool] | None = None
) -> Counts:
    """Return what one problem's pair adds to the counts; never used to select.

    Args:
        selection: The pair, or None.
        code_right: C values, the code passes the reference tests; None where the problem has none.
        test_right: T values, the reference solution passes the test; None where the problem has none.
    """
    if selection is None:
        return Counts()
    chosen = rejected = None
    if code_right is not None:
        chosen, rejected = bool(code_right[selection.chosen_code]), bool(code_right[selection.rejected_code])
    tests = (selection.chosen_test, selection.rejected_test) if test_right is not None else ()
    return Counts(
        pairs=1,
        measured=int(chosen is not None),
        good=int(chosen is True and rejected is False),
        inverted=int(chosen is False and rejected is True),
        tests_measured=len(tests),
        tests_right=sum(bool(test_right[test]) for test in tests) if test_right is not None else 0,
    )


def derive_seed(*parts: str | int) -> int:
    """Return the 63-bit seed that belongs to `parts`, in order; the same on every machine and version of Python."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _tokens(source: str) -> list[str] | None:
    """Return the tokens of a program, or None where it has none that Python accepts."""
    try:
        found = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return None
    kept = [token for token in found if token.type not in _LAYOUT]
    # Indents have no text of their own worth comparing: their kind stands for them.
    return [token.string if token.string.strip() else tokenize.tok_name[token.type] for token in kept]
