"""Prompts, and replies of the shapes that small models write."""

from __future__ import annotations

import ast
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfplay import prompts
from selfplay.prompts import normalise, parse_code, parse_signature, parse_tests, response_text
from selfplay.replies import parse
from tests.model_replies import ADD, CODE, SIGNATURES, TESTS


@pytest.mark.parametrize(("reply", "code", "defect"), [case[1:] for case in CODE], ids=[case[0] for case in CODE])
def test_code_is_read_from_replies_of_every_shape(reply: str, code: str | None, defect: str | None) -> None:
    parsed = parse_code(reply, "add")
    assert parsed.defect == defect
    assert parsed.source == (reply if code is None else code)


@pytest.mark.parametrize(("reply", "tests"), [case[1:] for case in TESTS], ids=[case[0] for case in TESTS])
def test_asserts_are_read_from_replies_of_every_shape(reply: str, tests: list[tuple[str, str | None]]) -> None:
    assert [(test.source, test.defect) for test in parse_tests(reply, "add", 3)] == tests


@pytest.mark.parametrize(
    ("reply", "signature"), [case[1:] for case in SIGNATURES], ids=[case[0] for case in SIGNATURES]
)
def test_a_signature_is_read_or_refused(reply: str, signature: tuple[str, str] | None) -> None:
    assert parse_signature(reply) == signature


def test_a_signature_that_is_read_stands_alone() -> None:
    found = parse_signature(
        "```python\ndef pick(rows: List[Optional[int]], k: Dict[str, int] = {}) -> np.ndarray:\n```"
    )
    assert found == ("def pick(rows, k: dict[str, int]={}):", "pick")
    ast.parse(found[0] + " pass")


@pytest.mark.parametrize("concat", [True, False])
@pytest.mark.parametrize(
    ("code", "test"),
    [
        (ADD, "assert add(1, 2) == 3"),
        (f"import math\n\nLIMIT = 3\n\n{ADD} + LIMIT * math.pi", 'import math\nassert add(1, 2) == math.sqrt(9), "no"'),
        (
            'def add(a, b):\n    """Add.\n\n    ```python\n    add(1, 2)\n    ```\n    """\n    return a + b',
            "assert add(1, 2) == 3",
        ),
        ("def add(a, b):\n    return '''\n~~~\n'''", 'assert add("\\n```\\n", "~~~") == "```"'),
    ],
    ids=["plain", "imports", "fence inside", "tildes inside"],
)
def test_what_is_trained_on_reads_back_as_what_was_run(code: str, test: str, concat: bool) -> None:
    [before] = parse_tests(test, "add", 1)
    text = response_text(code, before.source, concat=concat)
    assert parse_code(text, "add").source == code
    assert parse_code(text, "add").defect is None
    found = [(item.source, item.defect) for item in parse_tests(text, "add", 1)]
    assert found == ([(before.source, None)] if concat else [(text, "no_code")])


@pytest.mark.parametrize("reply", [case[1] for case in CODE], ids=[case[0] for case in CODE])
def test_reading_a_code_twice_changes_nothing(reply: str) -> None:
    once = parse_code(reply, "add")
    if once.defect is None:
        assert parse_code(response_text(once.source, "", concat=False), "add") == once


def test_prompts_say_what_is_asked_and_show_no_code() -> None:
    prompt, signature = "Join {braces} and %s.", "def join(a: str, b: str) -> str:"
    [code] = prompts.code_messages(prompt, signature)
    [tests] = prompts.test_messages(prompt, signature, "join", count=5)
    [both] = prompts.pair_messages(prompt, signature, concat=True)
    for message in (code, tests, both):
        assert message["role"] == "user"
        assert prompt in message["content"]
        assert signature in message["content"]
    assert "5 different tests for `join`" in tests["content"]
    assert "return" not in tests["content"]
    assert "two ```python blocks" in both["content"]
    assert prompts.pair_messages(prompt, signature, concat=False) == (code,)
    assert prompt in prompts.signature_messages(prompt)[0]["content"]


def test_layout_comments_and_docstrings_do_not_make_two_codes_different() -> None:
    first = 'def add(a, b):\n    """Add."""\n    # sum\n    return (a + b)\n'
    second = "def add(a,\n        b):\n    return a+b"
    assert normalise(first) == normalise(second)
    assert normalise("assert add('a', 2)==3") == normalise('assert add("a", 2) == 3')
    assert normalise("def add(a, b):\n    'only this'") == "def add(a, b):\n    pass"
    assert normalise("def add(a, b):\n    return a - b") != normalise(second)
    assert normalise(" def broken( ") == "def broken("


def test_no_more_tests_than_the_limit_and_none_twice() -> None:
    reply = "\n".join(f"assert add({i}, 0) == {i}" for i in [0, 0, 1, 2, 3, 1])
    defects = [test.defect for test in parse_tests(reply, "add", 3)]
    assert defects == [None, "duplicate", None, None, "surplus", "duplicate"]


HOSTILE = [
    "```python\ndef add(a, b):\n    return " + "(" * 5000,
    "```python\ndef add(a, b):\n    return " + "-" * 50_000 + "1\n```",
    "```python\nassert add(1, 2) == " + "+".join(["1"] * 20_000) + "\n```",
    "```python\nassert add(1, 2) == 0x" + "f" * 20_000 + "\n```",
    "```python\nassert add(1, 2) == " + "9" * 20_000 + "\n```",
    "```python\nassert add(" + "[" * 150 + "]" * 150 + ", 1) == 2\n```",
    "```python\n" + "".join(" " * depth + "if True:\n" for depth in range(300)) + "```",
    "```python\nx = [1]\n" + "x = [x, x]\n" * 60 + "assert add(x, 1) == 2\n```",
    "for a in "
    + str(list(range(5000)))
    + ":\n    for b in "
    + str(list(range(50)))
    + ":\n        assert add(a, b) == 1",
    "```\x00python\ndef add(a, b):\n\x00    return 1\n```",
    "def add(a, b):\n    return '\ud800'\nassert add('\ud800', 1)",
    "```" * 3000,
    "(\n" * 20_000,
    'r"""\n' * 500,
    "def add(a, a):\n    nonlocal b\n    return a\n\nassert add(a := 1, [a for a in 2]) == 1",
    "class Solution:\n    def add(*args):\n        return 1",
]


@pytest.mark.parametrize("reply", HOSTILE, ids=range(len(HOSTILE)))
def test_no_hostile_reply_raises_or_takes_long(reply: str) -> None:
    began = time.process_time()
    _everything(reply)
    assert time.process_time() - began < 5


WORDS = ["```python", "```", "~~~", "def add(a, b):", "return a", "assert add(1, 2) == 3", "assert ", "class Solution:"]
WORDS += ["x = [1]", "for x in [1, 2]:", "import math", "from math import *", "self.assertEqual(add(1, 2), 3)", "add"]
WORDS += ["@cache", "lambda: 0", "1. ", "def test_add():", "async ", '"""', "    ", *"()[]{}'#:\\\x00\t\x0c`x\n"]
PARTS = st.lists(st.sampled_from(WORDS), max_size=30)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), PARTS.map("".join), PARTS.map("\n".join)))
def test_no_reply_raises(reply: str) -> None:
    _everything(reply)


def _everything(reply: str) -> None:
    code = parse_code(reply, "add")
    if code.defect is None:
        assert re.search(r"\badd\b", code.source)
        assert parse(code.source) is not None
    tests = parse_tests(reply, "add", 4)
    assert 1 <= len(tests) <= 200
    assert sum(test.defect is None for test in tests) <= 4
    for test in tests:
        if test.defect is None:
            tree = parse(test.source)
            assert tree is not None
            body = tree.body
            assert isinstance(body[-1], ast.Assert)
            assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in body[:-1])
    signature = parse_signature(reply)
    assert signature is None or parse(signature[0] + " pass") is not None
    assert isinstance(normalise(reply), str)
