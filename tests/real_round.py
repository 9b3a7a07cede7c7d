"""A round with the small real model that takes a minute or two on two cores."""

from __future__ import annotations

import json
import sys
from pathlib import Path

PROBLEMS = (
    ("Return the sum of the two integers a and b.", "def add(a: int, b: int) -> int:", "assert add(2, 3) == 5"),
    (
        "Return the larger of the two integers a and b.",
        "def larger(a: int, b: int) -> int:",
        "assert larger(2, 3) == 3",
    ),
    ("Return the length of the text s.", "def length(s: str) -> int:", "assert length('abc') == 3"),
    ("Return the text s in upper case.", "def shout(s: str) -> str:", "assert shout('ab') == 'AB'"),
    ("Return n multiplied by itself.", "def square(n: int) -> int:", "assert square(-4) == 16"),
    ("Return the first word of the text s.", "def first_word(s: str) -> str:", "assert first_word('a b') == 'a'"),
)
SETTINGS = (
    "problems.per_round=6",
    "generate.codes=8",
    "generate.test_replies=3",
    "generate.tests=6",
    "generate.temperature=1.0",
    "generate.code_max_tokens=96",
    "generate.test_max_tokens=96",
    "benchmark.limit=3",
    "benchmark.max_tokens=64",
)


def write_problems(file: Path) -> Path:
    """Write the problems where a run can read them."""
    rows = [
        {"prompt": prompt, "signature": signature, "reference_tests": [test]} for prompt, signature, test in PROBLEMS
    ]
    file.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return file


def command(runs: Path, name: str, problems: Path, *settings: str) -> list[str]:
    """Return the command line of a run of one round."""
    options = [part for setting in (*SETTINGS, *settings) for part in ("--set", setting)]
    return [
        sys.executable, "run_loop.py", "--rounds", "1", "--preset", "smoke", "--runs-dir", str(runs), "--run", name,
        "--problems", str(problems), *options,
    ]  # fmt: skip
