"""The code in a reply: the definition of the entry point and everything it needs, as written.

Example calls, prints, tests and unused definitions around it are left out: no preference is about them.

Not covered: code that reaches its globals by name only (`globals()["helper"]`); such helpers look unused.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass

from selfplay.replies import BUILTINS, Statement, blocks, is_literal, names, parse, statements, unparse

_HEADER = re.compile(r"^[ \t]*def[ \t]+\w+[ \t]*\([^\n]*\)[^\n:]*:", re.MULTILINE)
_GENERICS = {"List": "list", "Dict": "dict", "Tuple": "tuple", "Set": "set", "FrozenSet": "frozenset", "Type": "type"}
_TALKS = frozenset({"print", "input", "__name__"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCode:
    """A code out of a reply, or why there is none."""

    source: str
    """Python text that defines the entry point; the whole reply where there is a defect."""
    defect: str | None
    """"no_code" | "syntax_error" | "no_entry_point", or None."""


def parse_code(reply: str, entry_point: str) -> ParsedCode:
    """Return the code of a reply: the definition of the entry point and all that it needs, verbatim.

    Args:
        reply: The model's text: fenced blocks, prose, or bare Python; truncated or not.
        entry_point: Name of the function asked for.

    Returns:
        The code; or the defect, with the reply as its source.
    """
    stretches = blocks(reply)
    fenced = [block.text for block in stretches if block.python]
    foreign = [block.text for block in stretches if block.fenced and not block.python]
    outside = [block.text for block in stretches if not block.fenced]
    other_code = False
    for texts in (fenced, foreign, outside):
        read = [statements(text) for text in texts]
        groups = [found for found, _ in read]
        broken = "\n".join(piece for _, pieces in read for piece in pieces)
        source = _assembled(groups, broken, entry_point)
        if source is not None:
            return ParsedCode(source=source, defect=None)
        if _mentions(broken, entry_point) or any(_definition(group, entry_point) is not None for group in groups):
            return ParsedCode(source=reply, defect="syntax_error")
        other_code = other_code or any(_is_code(statement.node) for group in groups for statement in group)
    if other_code:
        return ParsedCode(source=reply, defect="no_entry_point")
    return ParsedCode(source=reply, defect="syntax_error" if any(not parse(text) for text in fenced) else "no_code")


def parse_signature(reply: str) -> tuple[str, str] | None:
    """Return the first function header of a reply as (`def` line ending in a colon, name), or None.

    Annotations that need an import are rewritten to builtins (`List` to `list`) or left out: the line stands alone.
    """
    for block in sorted(blocks(reply), key=lambda block: not block.python):
        found, broken = statements(block.text)
        nodes = [item.node for item in found]
        for piece in broken:
            headers = (parse(match[0].strip() + " pass") for match in _HEADER.finditer(piece))
            nodes += [node for tree in headers if tree is not None for node in tree.body]
        for node in nodes:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith(("_", "test")):
                line = _header(node)
                if line is not None:
                    return line, node.name
    return None


def _assembled(groups: Sequence[Sequence[Statement]], broken: str, entry_point: str) -> str | None:
    """Join the statements that the entry point needs: from its own block, then from the blocks around it."""
    defining = [index for index, group in enumerate(groups) if _definition(group, entry_point) is not None]
    if not defining:
        return _unwrapped(groups, entry_point)
    whole = [index for index in defining if not _is_stub(groups[index], entry_point)]
    chosen = groups[(whole or defining)[0]]
    kept = _closure(chosen, entry_point)
    missing = _missing(kept)
    if missing:
        own = frozenset().union(*(statement.bound for statement in chosen))
        rest = [item for group in groups if group is not chosen for item in group if not item.bound & own]
        kept = _closure([*rest, *chosen], entry_point)
        missing = _missing(kept)
    if any(_mentions(broken, name) for name in missing):
        return None
    return _joined(kept)


def _definition(group: Sequence[Statement], entry_point: str) -> int | None:
    """Return the index of the last statement that makes the entry point a function."""
    found = None
    for index, statement in enumerate(group):
        node = statement.node
        function = isinstance(node, ast.FunctionDef) and node.name == entry_point
        alias = isinstance(node, ast.Assign) and entry_point in statement.bound and entry_point not in statement.needed
        if function or alias:
            found = index
    return found


def _closure(group: Sequence[Statement], entry_point: str) -> list[Statement]:
    """Return the entry point's definition and what it needs, transitively, in the order written."""
    start = _definition(group, entry_point)
    kept = {index for index in range(len(group)) if index == start}
    grown = True
    while grown:
        needed = frozenset().union(*(group[index].needed for index in kept))
        variables = frozenset().union(*(group[index].bound for index in kept if _is_variable(group[index].node)))
        new = {
            index
            for index, statement in enumerate(group)
            if index not in kept and _belongs(statement, needed, variables, entry_point, early=index < (start or 0))
        }
        kept |= new
        grown = bool(new)
    return [group[index] for index in sorted(kept)]


def _belongs(
    statement: Statement, needed: frozenset[str], variables: frozenset[str], entry_point: str, *, early: bool
) -> bool:
    node = statement.node
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return entry_point not in statement.bound and bool(statement.bound & needed)
    if isinstance(node, ast.Import | ast.ImportFrom):
        always = isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.names[0].name == "*")
        return always or (entry_point not in statement.bound and bool(statement.bound & needed))
    if isinstance(node, ast.Assert) or statement.needed & _TALKS:
        return False
    if entry_point in statement.needed:  # an example call, unless it is `f = cache(f)`
        return entry_point in statement.bound and not early
    if statement.bound & needed:
        return entry_point not in statement.bound
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and early:
        return True  # sys.setrecursionlimit and the like
    return bool(statement.needed & variables)  # fills or changes a table that the function reads


def _missing(kept: Sequence[Statement]) -> frozenset[str]:
    bound = frozenset().union(*(statement.bound for statement in kept))
    return frozenset().union(*(statement.needed for statement in kept)) - bound - BUILTINS


def _joined(kept: Sequence[Statement]) -> str:
    parts: list[str] = []
    large = False
    for statement in sorted(kept, key=lambda item: not _is_future(item.node)):
        was_large, large = large, isinstance(statement.node, ast.FunctionDef | ast.ClassDef)
        if parts:
            parts.append("\n\n" if large or was_large or _is_import(parts[-1]) != _is_import(statement.text) else "\n")
        parts.append(statement.text)
    return "".join(parts)


def _unwrapped(groups: Sequence[Sequence[Statement]], entry_point: str) -> str | None:
    """Turn a method that makes no use of its object into a function."""
    for group in groups:
        for index, statement in enumerate(group):
            node = statement.node
            if not isinstance(node, ast.ClassDef):
                continue
            method = next(
                (item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == entry_point), None
            )
            if method is None or len(node.body) > 1 or node.bases:
                continue
            decorators = [item.id for item in method.decorator_list if isinstance(item, ast.Name)]
            first = [] if decorators == ["staticmethod"] else method.args.args[:1]
            if len(decorators) != len(method.decorator_list) or set(decorators) - {"staticmethod", "classmethod"}:
                continue
            used = {name.id for name in ast.walk(method) if isinstance(name, ast.Name)}
            if used & ({argument.arg for argument in first} | {node.name, "super"}):
                continue
            method.decorator_list = []
            method.args.args = method.args.args[len(first) :]
            text = unparse(method)
            if text is not None:
                bound, needed = names(text)
                function = Statement(node=method, text=text, bound=bound, needed=needed)
                return _joined(_closure([*group[:index], function, *group[index + 1 :]], entry_point))
    return None


def _header(node: ast.FunctionDef) -> str | None:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    arguments = [argument for argument in every if argument is not None]
    defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
    if any(argument.arg == "self" for argument in arguments) or not all(map(is_literal, defaults)):
        return None
    for argument in arguments:
        argument.annotation = _plain(argument.annotation)
    node.returns = _plain(node.returns)
    node.decorator_list = []
    node.body = [ast.Pass()]
    text = unparse(node)
    return None if text is None else text.split("\n")[0]


def _plain(annotation: ast.expr | None) -> ast.expr | None:
    """Return the annotation in names that need no import, or None."""
    if annotation is None:
        return None
    for part in ast.walk(annotation):
        if isinstance(part, ast.Name):
            part.id = _GENERICS.get(part.id, part.id)
            if part.id not in BUILTINS:
                return None
        elif isinstance(part, ast.Attribute | ast.Call):
            return None
    return annotation


def _is_stub(group: Sequence[Statement], entry_point: str) -> bool:
    """Whether the entry point's body does nothing: a docstring, `pass`, `...` or `raise NotImplementedError`."""
    index = _definition(group, entry_point)
    node = group[index].node if index is not None else None
    if not isinstance(node, ast.FunctionDef):
        return False
    return all(
        isinstance(item, ast.Pass | ast.Raise) or (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
        for item in node.body
    )


def _is_code(node: ast.stmt) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom)


def _is_variable(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign | ast.AnnAssign)


def _is_import(text: str) -> bool:
    return text.startswith(("import ", "from "))


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _mentions(text: str, name: str) -> bool:
    """Whether a stretch that does not parse seems to define `name`."""
    return re.search(rf"^[ \t]*(?:(?:async[ \t]+)?def|class)[ \t]+{re.escape(name)}\b", text, re.MULTILINE) is not None
