"""Copies of benchmark tasks, disguised as problems by rule: what a decontamination should find.

    verbatim     the text as published, its signature and solution
    renamed      function, parameters and variables have other names, in text, signature and solution
    reformatted  other case, layout, quotes and example style; the solution printed anew without comments
    reworded     synonyms for common words, sentences in reverse order, examples dropped, and renamed as above

Each also as a bare prompt, the way that many data sets come: no signature, no solution.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Protocol

from state.records import Problem, content_id


class Task(Protocol):
    """What a copy is made from."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def canonical(self) -> str: ...  # noqa: D102
    @property
    def entry_point(self) -> str: ...  # noqa: D102


SYNONYMS = {
    "add": "sum up", "all": "every", "array": "sequence", "ascending": "increasing", "between": "in between",
    "biggest": "largest", "calculate": "work out", "character": "letter", "characters": "letters", "check": "test",
    "compute": "determine", "contains": "holds", "convert": "turn", "count": "tally", "create": "build",
    "decimal": "base ten", "descending": "decreasing", "dictionary": "mapping", "different": "distinct",
    "element": "item", "elements": "items", "empty": "without content", "equal": "identical", "exactly": "precisely",
    "find": "determine", "first": "initial", "following": "next", "from": "out of", "function": "routine",
    "get": "obtain", "given": "provided", "greater": "larger", "greatest": "largest", "if": "in case",
    "implement": "build", "input": "argument", "integer": "whole number", "integers": "whole numbers",
    "largest": "biggest", "last": "final", "length": "size", "less": "smaller", "list": "sequence",
    "lists": "sequences", "lowercase": "small letters", "maximum": "highest", "minimum": "lowest",
    "multiply": "take the product of", "must": "has to", "negative": "below zero", "non-empty": "filled",
    "number": "value", "numbers": "values", "only": "just", "order": "sequence", "otherwise": "in other cases",
    "pair": "couple", "positive": "above zero", "remove": "drop", "replace": "swap", "result": "outcome",
    "return": "give back", "returns": "gives back", "reverse": "flip", "same": "identical", "should": "shall",
    "smallest": "least", "sort": "arrange", "sorted": "arranged", "string": "text", "strings": "texts",
    "substring": "part", "sum": "total", "takes": "receives", "task": "job", "tuple": "record", "tuples": "records",
    "two": "both", "uppercase": "capital letters", "using": "with", "value": "entry", "values": "entries",
    "vowel": "a e i o u letter", "where": "in which", "whether": "if", "which": "that", "word": "term",
    "words": "terms", "write": "make",
}  # fmt: skip
"""Words of the benchmarks' trade, and what else they can be called."""
NAMES = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet", "jetty", "knoll", "ledge")


def copies(task: Task, *, kind: str, bare: bool) -> Problem:
    """Return a task as a problem, disguised.

    Args:
        task: The benchmark's.
        kind: A key of `KINDS`.
        bare: Leave out signature and solution.
    """
    text, header, solution = KINDS[kind](prose(task), task)
    entry_point = header.removeprefix("def ").partition("(")[0]
    return Problem(
        id=content_id(kind, task.id, int(bare)),
        source=kind,
        position=0,
        prompt=text,
        signature=None if bare else header,
        entry_point=None if bare else entry_point,
        reference=None if bare else solution,
        reference_tests=None,
        dropped=None,
    )


def prose(task: Task) -> str:
    """Return what a task asks for, without the code around it."""
    try:
        functions = [node for node in ast.parse(task.text).body if isinstance(node, ast.FunctionDef)]
    except SyntaxError:
        return task.text.strip()
    found = next((ast.get_docstring(node) for node in functions if node.name == task.entry_point), None)
    return found or task.text.strip()


def _verbatim(text: str, task: Task) -> tuple[str, str, str]:
    return text, _header(task.canonical, task.entry_point), task.canonical


def _renamed(text: str, task: Task) -> tuple[str, str, str]:
    names = _new_names(task)
    code = _rename(task.canonical, names)
    for name in (task.entry_point, *_parameters(task.canonical, task.entry_point)):
        # A name that is also a word is replaced only where it is plainly meant as a name.
        marked = rf"(?<!\w){re.escape(name)}(?!\w)"
        if "_" not in name:
            marked = rf"(?<=[`'\"]){re.escape(name)}(?=[`'\"])|(?<!\w){re.escape(name)}(?=\()"
        text = re.sub(marked, names[name], text)
    return text, _header(code, names[task.entry_point]), code


def _reformatted(text: str, task: Task) -> tuple[str, str, str]:
    text = re.sub(r">>>\s*(.*)\n\s*(.*)", r"For instance, \1 is \2.", text)
    text = re.sub(r"\s*(?:==>?|=>|->|➞)\s*", " gives ", text)
    text = re.sub(r"[\"'`]", "", re.sub(r"\s+", " ", text)).upper()
    code = ast.unparse(ast.parse(task.canonical))
    return text, _header(code, task.entry_point), code


def _reworded(text: str, task: Task) -> tuple[str, str, str]:
    text, header, code = _renamed(without_examples(text), task)
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n\s*\n", text) if part.strip()]
    text = " ".join(reversed(sentences))
    text = re.sub(r"[A-Za-z]+(?:-[a-z]+)?", lambda match: SYNONYMS.get(match[0].lower(), match[0]), text)
    return text, header, code


KINDS: Mapping[str, Callable[[str, Task], tuple[str, str, str]]] = {
    "verbatim": _verbatim,
    "renamed": _renamed,
    "reformatted": _reformatted,
    "reworded": _reworded,
}
"""Kind -> (text, task) -> (text, signature, solution)."""


def without_examples(text: str) -> str:
    """Return a task's text up to its first example."""
    cut = re.search(r"(?im)^\s*(>>>|(for )?examples?\b|e\.?g\.|\[input|sample)|\b(for )?examples?:|(==>?|=>|➞)", text)
    if cut is None or cut.start() < 40:
        return text
    return text[: text.rfind("\n", 0, cut.start()) + 1 or cut.start()].strip() or text


def _new_names(task: Task) -> dict[str, str]:
    """Return a new name for everything that the solution binds."""
    bound = [task.entry_point, *_parameters(task.canonical, task.entry_point)]
    for node in ast.walk(ast.parse(task.canonical)):
        if isinstance(node, ast.FunctionDef):
            bound.append(node.name)
        elif isinstance(node, ast.arg):
            bound.append(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.append(node.id)
    unique = list(dict.fromkeys(bound))
    return {name: f"{NAMES[i % len(NAMES)]}{i // len(NAMES) or ''}" for i, name in enumerate(unique)}


def _rename(code: str, names: Mapping[str, str]) -> str:
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.name = names.get(node.name, node.name)
            if ast.get_docstring(node) is not None and len(node.body) > 1:
                node.body = node.body[1:]
        elif isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
        elif isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.keyword) and node.arg is not None:
            node.arg = names.get(node.arg, node.arg)
    return ast.unparse(tree)


def _header(code: str, name: str) -> str:
    """Return the `def` line of a function, names and annotations as they are."""
    node = next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef) and node.name == name)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {name}({ast.unparse(node.args)}){returns}:"


def _parameters(code: str, name: str) -> list[str]:
    node = next(node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef) and node.name == name)
    return [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
