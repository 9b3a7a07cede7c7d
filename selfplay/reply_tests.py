"""The tests in a reply: every assert that calls the entry point, each as a source of its own.

An assert counts wherever it stands: at top level, in a test function, in a unittest method (`self.assertEqual(a, b)` is
`assert a == b`), in a loop over a literal list. A local variable that holds a literal, or the result of a call of the
entry point, is replaced by that.
"""

from __future__ import annotations

import ast
import copy
import itertools
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from selfplay.replies import (
    BUILTINS,
    UNREADABLE,
    blocks,
    double_quoted,
    is_literal,
    names,
    normalise,
    parse,
    statements,
    unparse,
)

_LISTED = re.compile(r"^[ \t]*(?:[-*+>]|\d+[.):])[ \t]*(assert\b[^`]*)$")
_QUOTED = re.compile(r"^[^`]*(`+)[ \t]*(?:python[ \t]+)?(assert\b[^`]*)\1")
_MOST_NODES = 2000
_MOST_TURNS = 64
_MOST_TESTS = 200
_MOST_DEPTH = 3
_COMPARISONS: dict[str, str] = {
    "assertEqual": "{0} == {1}",
    "assertEquals": "{0} == {1}",
    "assertListEqual": "{0} == {1}",
    "assertDictEqual": "{0} == {1}",
    "assertTupleEqual": "{0} == {1}",
    "assertSetEqual": "{0} == {1}",
    "assertCountEqual": "sorted({0}) == sorted({1})",
    "assertNotEqual": "{0} != {1}",
    "assertAlmostEqual": "abs({0} - {1}) < 1e-07",
    "assertIs": "{0} is {1}",
    "assertIsNot": "{0} is not {1}",
    "assertIn": "{0} in {1}",
    "assertNotIn": "{0} not in {1}",
    "assertIsInstance": "isinstance({0}, {1})",
    "assertGreater": "{0} > {1}",
    "assertGreaterEqual": "{0} >= {1}",
    "assertLess": "{0} < {1}",
    "assertLessEqual": "{0} <= {1}",
    "assertTrue": "{0}",
    "assertFalse": "not {0}",
    "assertIsNone": "{0} is None",
    "assertIsNotNone": "{0} is not None",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedTest:
    """One assert out of a reply, or why it is left out."""

    source: str
    """The assert on its own, after the imports that it needs; as written where there is a defect."""
    defect: str | None
    """"no_code" | "syntax_error" | "no_call" | "unbound_name" | "duplicate" | "surplus", or None."""


@dataclass(slots=True)
class _Walk:
    """What is known while the statements of a reply are walked."""

    entry_point: str
    imports: dict[str, str] = field(default_factory=dict)
    """Name -> the line that imports it; standard library only, nothing else is there to import."""
    values: dict[str, ast.expr] = field(default_factory=dict)
    """Local variable -> what to put in its place."""


def parse_tests(reply: str, entry_point: str, limit: int) -> list[ParsedTest]:
    """Return every assert of a reply, in order, at most `limit` of them without a defect.

    Args:
        reply: The model's text: fenced blocks, lists, or bare asserts; truncated or not.
        entry_point: Name of the function under test.
        limit: Tests wanted.

    Returns:
        One entry an assert; a reply without any gives one entry that says so and holds the reply.
    """
    stretches = blocks(reply)
    fenced = [block.text for block in stretches if block.fenced]
    outside = ["\n".join(map(_unlisted, block.text.split("\n"))) for block in stretches if not block.fenced]
    raw: list[ParsedTest] = []
    for texts in (fenced, outside):
        every = (test for text in texts for test in _tests(text, _Walk(entry_point=entry_point)))
        raw = list(itertools.islice(every, _MOST_TESTS))
        if raw:
            break
    tests: list[ParsedTest] = []
    seen: set[str] = set()
    for test in raw:
        if test.defect is None:
            form = normalise(test.source)
            defect = "duplicate" if form in seen else "surplus" if len(seen) >= limit else None
            if defect is None:
                seen.add(form)
            tests.append(ParsedTest(source=test.source, defect=defect))
        else:
            tests.append(test)
    return tests or [ParsedTest(source=reply, defect="no_code")]


def _tests(text: str, walk: _Walk, depth: int = 0) -> Iterator[ParsedTest]:
    found, broken = statements(text)
    try:
        for test in _asserts([statement.node for statement in found], walk):
            yield _finished(test, walk)
    except UNREADABLE:
        yield ParsedTest(source=text, defect="syntax_error")
    for piece in broken:
        head, _, body = piece.strip().partition("\n")
        if head.endswith(":") and depth < _MOST_DEPTH:  # a test function that was cut off: its body up to there
            yield from _tests(textwrap.dedent(body), walk, depth + 1)
        elif head.lstrip().startswith("assert"):
            yield ParsedTest(source=head.strip(), defect="syntax_error")


def _asserts(nodes: Sequence[ast.stmt], walk: _Walk) -> Iterator[ast.expr]:
    """Yield what each assert claims, in order, with the known variables put in their places."""
    for node in nodes:
        if isinstance(node, ast.Assert):
            test = node.test
            if isinstance(test, ast.Tuple) and test.elts:  # (claim, message) is always true
                test = test.elts[0]
            yield _inlined(test, walk)
        elif isinstance(node, ast.Expr):
            claim = _claim(node.value)
            if claim is not None:
                yield _inlined(claim, walk)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            _import(node, walk)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            _assign(node.targets[0].id, node.value, walk)
        elif isinstance(node, ast.For):
            yield from _unrolled(node, walk)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.With | ast.If | ast.Try):
            yield from _scope(node, walk)
        else:
            _forget(node, walk)


def _scope(node: ast.FunctionDef | ast.ClassDef | ast.With | ast.If | ast.Try, walk: _Walk) -> Iterator[ast.expr]:
    """Walk a body whose assignments end with it."""
    if isinstance(node, ast.FunctionDef) and node.name == walk.entry_point:
        return
    outer = dict(walk.values)
    if isinstance(node, ast.FunctionDef):
        arguments = [argument.arg for argument in node.args.args]
        for name in arguments:
            walk.values.pop(name, None)
        if node.name == "check" and len(arguments) == 1:  # def check(candidate): the parameter is the function
            walk.values[arguments[0]] = ast.Name(id=walk.entry_point, ctx=ast.Load())
    yield from _asserts(node.body, walk)
    walk.values = outer
    if not isinstance(node, ast.FunctionDef | ast.ClassDef):
        _forget(node, walk)


def _unrolled(node: ast.For, walk: _Walk) -> Iterator[ast.expr]:
    """Walk the body once for every element of a literal list."""
    table = _inlined(node.iter, walk)
    targets = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
    if isinstance(table, ast.List | ast.Tuple) and is_literal(table):
        for row in table.elts[:_MOST_TURNS]:
            cells = row.elts if isinstance(node.target, ast.Tuple) and isinstance(row, ast.Tuple | ast.List) else [row]
            if len(cells) == len(targets):
                for target, cell in zip(targets, cells, strict=True):
                    if isinstance(target, ast.Name):
                        _assign(target.id, cell, walk)
                yield from _asserts(node.body, walk)
    _forget(node, walk)


def _claim(value: ast.expr) -> ast.expr | None:
    """Return what an expression statement asserts: a unittest call or a bare comparison; else None."""
    if isinstance(value, ast.Compare):
        return value
    if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute):
        return None
    pattern = _COMPARISONS.get(value.func.attr)
    arguments = [unparse(argument) for argument in value.args]
    if pattern is None or len(arguments) < pattern.count("{") or None in arguments:
        return None
    tree = parse(pattern.format(*(f"({argument})" for argument in arguments)))
    node = tree.body[0] if tree is not None else None
    return node.value if isinstance(node, ast.Expr) else None


def _import(node: ast.Import | ast.ImportFrom, walk: _Walk) -> None:
    for item in node.names:
        module = item.name if isinstance(node, ast.Import) else node.module or ""
        name = item.asname or item.name.split(".")[0]
        line = unparse(type(node)(names=[item])) if isinstance(node, ast.Import) else None
        if isinstance(node, ast.ImportFrom) and not node.level:
            line = unparse(ast.ImportFrom(module=node.module, names=[item], level=0))
        if line and name not in (walk.entry_point, "*") and module.split(".")[0] in sys.stdlib_module_names:
            walk.imports[name] = line


def _assign(name: str, value: ast.expr, walk: _Walk) -> None:
    value = _inlined(value, walk)
    if _is_simple(value, walk.entry_point) and sum(1 for _ in ast.walk(value)) <= _MOST_NODES:
        walk.values[name] = value
    else:
        walk.values.pop(name, None)


def _is_simple(value: ast.expr, entry_point: str) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == entry_point:
        return all(map(is_literal, value.args)) and all(is_literal(keyword.value) for keyword in value.keywords)
    return is_literal(value)


def _forget(node: ast.stmt, walk: _Walk) -> None:
    """Drop what is known about every variable that the statement may change."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load):
            walk.values.pop(part.id, None)


class _Inline(ast.NodeTransformer):
    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.values.get(node.id, node)


def _inlined(value: ast.expr, walk: _Walk) -> ast.expr:
    """Return a copy of the expression with known variables replaced, those apart that it binds itself."""
    own = {part.id for part in ast.walk(value) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    own |= {part.arg for part in ast.walk(value) if isinstance(part, ast.arg)}
    used = {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
    values = {name: item for name, item in walk.values.items() if name in used - own}
    if not values:
        return value
    replaced: ast.expr = _Inline(values).visit(copy.deepcopy(value))
    return replaced


def _finished(claim: ast.expr, walk: _Walk) -> ParsedTest:
    """Write the assert down with its imports, or say what is wrong with it."""
    text = unparse(claim)
    if text is None or parse(f"assert {text}") is None:
        return ParsedTest(source="assert", defect="syntax_error")
    source = double_quoted(f"assert {text}")
    calls = any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == walk.entry_point
        for part in ast.walk(claim)
    )
    _, needed = names(source)
    lines = sorted({walk.imports[name] for name in needed & walk.imports.keys()})
    if not calls:
        return ParsedTest(source=source, defect="no_call")
    if needed - BUILTINS - walk.imports.keys() - {walk.entry_point}:
        return ParsedTest(source=source, defect="unbound_name")
    return ParsedTest(source="\n".join([*lines, source]), defect=None)


def _unlisted(line: str) -> str:
    """Return the assert of a list item, without its bullet, number or backticks; other lines as they are."""
    listed, quoted = _LISTED.match(line), _QUOTED.match(line)
    return quoted[2] if quoted else listed[1] if listed else line
