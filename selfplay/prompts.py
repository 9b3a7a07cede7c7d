"""What the model is asked, and what it is taught to answer.

Prompts are one user turn, short and literal, because small models follow little else; the chat template of the model is
applied by whoever generates or trains. The test prompt never shows code, so that codes and tests are independent. What
comes back is read by `parse_code`, `parse_tests` and `parse_signature`; `response_text` writes the form that they read.
"""

from __future__ import annotations

import re
from typing import TypedDict

from selfplay.replies import normalise
from selfplay.reply_code import ParsedCode, parse_code, parse_signature
from selfplay.reply_tests import ParsedTest, parse_tests

__all__ = [
    "Message",
    "ParsedCode",
    "ParsedTest",
    "code_messages",
    "normalise",
    "pair_messages",
    "parse_code",
    "parse_signature",
    "parse_tests",
    "response_text",
    "signature_messages",
    "test_messages",
]

_FENCES = re.compile(r"^[ \t]*(`{3,})", re.MULTILINE)

_FUNCTION = """\
Write a Python function that solves this problem.

{prompt}

The function starts with exactly this line:
```python
{signature}
```

"""
_CODE = f"""\
{_FUNCTION}Answer with one ```python block that holds the complete function and the imports it needs. No explanation, \
no example calls, no tests."""
_CODE_AND_TEST = f"""\
{_FUNCTION}Answer with two ```python blocks and nothing else: first the complete function and the imports it needs, \
then one assert that tests it."""
_TESTS = """\
A Python function is described like this.

{prompt}

Its first line is:
```python
{signature}
```

Write {count} different tests for `{entry_point}`. Each test is one line that starts with `assert {entry_point}(`, \
has every argument written out as a literal value (no variables), and compares the result with the exact value that \
the description asks for. For a function that doubles a number such a line is `assert double(4) == 8`. Cover usual \
inputs and edge cases. Do not write the function.

Answer with one ```python block that holds the {count} assert lines and nothing else."""
_SIGNATURE = """\
A Python function is to be written for this problem.

{prompt}

Answer with one ```python block that holds only the first line of that function: `def`, a fitting name, the \
parameters with type annotations (only built-in types such as int, str, list[int], dict[str, int]), the return type, \
and a colon."""


class Message(TypedDict):
    """One turn of a chat."""

    role: str
    content: str


def code_messages(prompt: str, signature: str) -> tuple[Message, ...]:
    """Ask for one function.

    Args:
        prompt: What the function is to do.
        signature: Its `def` line, ending in a colon.
    """
    return _user(_CODE.format(prompt=prompt.strip(), signature=signature.strip()))


def test_messages(
    prompt: str,
    signature: str,
    entry_point: str,
    *,
    count: int = 8,  # noqa: PT028 - no test, for all its name
) -> tuple[Message, ...]:
    """Ask for asserts that call the entry point; no code is shown.

    Args:
        prompt: What the function is to do.
        signature: Its `def` line, ending in a colon.
        entry_point: Its name.
        count: Asserts to ask for.
    """
    return _user(
        _TESTS.format(prompt=prompt.strip(), signature=signature.strip(), entry_point=entry_point, count=count)
    )


def signature_messages(prompt: str) -> tuple[Message, ...]:
    """Ask for the `def` line of a problem that comes as prose."""
    return _user(_SIGNATURE.format(prompt=prompt.strip()))


def pair_messages(prompt: str, signature: str, *, concat: bool) -> tuple[Message, ...]:
    """Ask for what a preference pair answers: the function, and with `concat` a test after it."""
    if not concat:
        return code_messages(prompt, signature)
    return _user(_CODE_AND_TEST.format(prompt=prompt.strip(), signature=signature.strip()))


def response_text(code: str, test: str, *, concat: bool) -> str:
    """Return the answer that is trained on: the code in a block and, with `concat`, the test in a second one.

    `parse_code` and `parse_tests` read back from it what went in.
    """
    parts = [code, test] if concat else [code]
    return "\n\n".join(map(_fenced, parts))


def _fenced(source: str) -> str:
    """Wrap a source in a fence longer than any inside it."""
    longest = max((len(mark) for mark in _FENCES.findall(source)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}python\n{source.strip()}\n{fence}"


def _user(content: str) -> tuple[Message, ...]:
    return ({"role": "user", "content": content},)
