"""Tests that must fail whatever the code does: a sandbox that passes one of them is broken.

Each is a template; `{call}` stands for a call of the entry point, such as `add(1, 2)`.
"""

from __future__ import annotations

CANARIES = (
    "assert False",
    "assert {call} is object()",
    "assert {call} == object()",
    "assert {call} != {call} and {call} == {call}",
    "raise AssertionError",
    "{call}\nraise SystemExit(0)",
)


def canaries(call: str) -> tuple[str, ...]:
    """Return the canary tests around one call of the entry point."""
    return tuple(template.replace("{call}", call) for template in CANARIES)
