"""A benchmark task, and the program that a reply to it stands for."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from selfplay.prompts import Message, parse_code
from selfplay.replies import statements

INSTRUCTION = (
    "Please provide a self-contained Python script that solves the following problem in a markdown code block:"
)
ANSWER = (
    "Below is a Python script with a self-contained function that solves the problem and passes corresponding tests:"
)
PREFILL = f"{ANSWER}\n```python\n"
STOP = ("\n```", "\nif __name__", "\ndef main(", "\nprint(")
"""What EvalPlus and BigCodeBench ask with and end at (evalplus 0.3.1, bigcodebench 0.2.5); they end at "\\n```\\n"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One benchmark problem, ready to be asked and scored."""

    benchmark: str
    id: str
    messages: tuple[Message, ...]
    prefill: str = PREFILL
    """What the answer is made to begin with; no part of the reply."""
    stop: tuple[str, ...] = STOP
    """Texts at which generation may end; not part of the reply either."""
    entry_point: str
    test: str
    """Test source for `Sandbox.run`."""
    wall_s: float
    """Seconds that the benchmark's own rules give the whole test."""
    context: str = ""
    """Imports and helper functions that the problem itself provides."""
    canonical: str
    """A right program."""
    text: str
    """The problem as published, without its solution: what decontamination compares."""
    needs: tuple[str, ...] = ()
    """Modules that its solution and test import, beyond the standard library."""


def asked(prompt: str) -> tuple[Message, ...]:
    """Ask for the script that a piece of code describes, as EvalPlus does."""
    return ({"role": "user", "content": f"{INSTRUCTION}\n```\n{prompt.strip()}\n```\n"},)


def provided(prompt: str, entry_point: str) -> str:
    """Return the imports and helper functions that stand in a prompt beside the entry point."""
    found, _ = statements(prompt)
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef
    return "\n\n".join(item.text for item in found if isinstance(item.node, kinds) and entry_point not in item.bound)


def extract(task: Task, reply: str) -> str:
    """Return the program that a reply stands for; a reply that does not parse gives a program that fails.

    Args:
        task: The task that was asked.
        reply: The model's text after `task.prefill`, whether or not it ends at a `task.stop`.

    Returns:
        Imports of the context (and its empty entry point, if it has one), the reply's code, its helper functions.
    """
    for stop in task.stop:
        reply = reply.partition(stop)[0]
    code = parse_code(task.prefill + reply, task.entry_point)
    if code.defect is not None:
        code = parse_code(reply, task.entry_point)
    if code.defect is not None and reply.lstrip("\n")[:1].isspace():  # the body alone, as a completion of the prompt
        code = parse_code(f"{task.text.rstrip()}\n{reply.rstrip()}", task.entry_point)
    return _program(task, reply if code.defect is not None else code.source)


def _program(task: Task, code: str) -> str:
    """Put imports first and the problem's own functions last."""
    given, _ = statements(task.context)
    helpers = [
        item.text for item in given if isinstance(item.node, ast.FunctionDef) and task.entry_point not in item.bound
    ]
    imports = [item.text for item in given if item.text not in helpers]
    lines = code.strip("\n").split("\n")
    future = [line for line in lines if line.startswith("from __future__ import")]
    rest = "\n".join(line for line in lines if line not in future).strip("\n")
    parts = ["\n".join([*future, *imports]), rest, *helpers]
    return "\n\n\n".join(part for part in parts if part) + "\n"
