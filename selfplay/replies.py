"""A model's reply read with `ast`: fenced blocks, the statements in them, the names they bind and use, a normal form.

Nothing here runs what it reads, and no text makes it raise. Where a block does not parse as a whole (truncated, prose
inside), each statement is tried by itself, so that one broken line costs one statement.
"""

from __future__ import annotations

import ast
import builtins
import io
import re
import symtable
import textwrap
import threading
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What parsing, `ast.unparse` and `symtable` raise on broken text: null bytes, deep nesting, huge numbers."""

_FENCE = re.compile(r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_SINGLE = re.compile(r"'[^'\"\\\n]*'")
_PYTHON = {"", "python", "py", "python3", "python2"}
_JOINS = ")]}#"
_CONTINUES = re.compile(r"(else|elif|except|finally|case)\b")
_UNFINISHED = ("was never closed", "unterminated triple-quoted", "unterminated f-string", "unexpected EOF")
_MOST_JOINED = 12
_MOST_CHUNKS = 400
_WARNINGS = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A stretch of a reply: inside a fence, or the text between two."""

    text: str
    language: str | None
    """Lower-case word after the fence, "" where there is none; None outside a fence."""

    @property
    def fenced(self) -> bool:
        """The text stood inside a fence."""
        return self.language is not None

    @property
    def python(self) -> bool:
        """The text stood inside a fence that may hold Python."""
        return self.language in _PYTHON


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One top-level statement, as written, comment lines directly above it included."""

    node: ast.stmt
    text: str
    bound: frozenset[str]
    """Global names it defines."""
    needed: frozenset[str]
    """Global names it uses, anywhere inside."""


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree, or None where the text is not Python."""
    tree, _ = _attempt(text)
    return tree


def unparse(node: ast.AST) -> str | None:
    """Return the node as Python text, or None where it cannot be written down."""
    try:
        return ast.unparse(node)
    except UNREADABLE:
        return None


def double_quoted(source: str) -> str:
    """Return the source with strings as models and formatters write them: `ast.unparse` prefers single quotes."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, *UNREADABLE):
        return source
    lines = source.split("\n")
    for token in reversed(tokens):
        text = token.string
        if token.type == tokenize.STRING and _SINGLE.fullmatch(text):
            row, start, end = token.start[0] - 1, token.start[1], token.end[1]
            lines[row] = f'{lines[row][:start]}"{text[1:-1]}"{lines[row][end:]}'
    return "\n".join(lines)


def normalise(source: str) -> str:
    """Return the normal form by which duplicates are found: layout, comments and docstrings do not count.

    Text that does not parse is its own normal form, without the space around it.
    """
    tree = parse(source)
    if tree is None:
        return source.strip()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and _docstring(node):
            node.body = node.body[1:]
            if not node.body and not isinstance(node, ast.Module):
                node.body = [ast.Pass()]
    text = unparse(tree)
    return source.strip() if text is None else text


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks and the text between them, in order; a missing closing fence ends with the text."""
    found: list[Block] = []
    lines: list[str] = []
    mark, language = "", None
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        fence = _FENCE.match(line)
        word = (fence["info"].lower().split() or [""])[0] if fence else ""
        if fence and mark and fence["mark"].startswith(mark) and not fence["info"].strip():
            found.append(Block(text="\n".join(lines), language=language))
            mark, language, lines = "", None, []
        elif fence and not mark:
            found.append(Block(text="\n".join(lines), language=language))
            mark, language, lines = fence["mark"], word, []
        else:
            lines.append(line)
    found.append(Block(text="\n".join(lines), language=language))
    return [block for block in found if block.text.strip()]


def statements(text: str) -> tuple[list[Statement], list[str]]:
    """Return the top-level statements of a block, and the stretches that are not Python."""
    tree = parse(text)
    if tree is not None:
        return _described(tree, text), []
    found: list[Statement] = []
    broken: list[str] = []
    chunks = _chunks(textwrap.dedent(text))
    chunks, rest = chunks[:_MOST_CHUNKS], chunks[_MOST_CHUNKS:]
    position = 0
    while position < len(chunks):
        for size in range(1, _MOST_JOINED + 1):
            joined = "\n".join(chunks[position : position + size])
            tree, unfinished = _attempt(joined)
            if tree is not None or not unfinished or position + size >= len(chunks):
                break
        if tree is None:
            broken.append(chunks[position])
            position += 1
        else:
            found.extend(_described(tree, joined))
            position += size
    return found, broken + rest


def is_literal(node: ast.expr) -> bool:
    """Whether the expression is made of constants and displays only."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return all(is_literal(item) for item in node.elts)
    if isinstance(node, ast.Dict):
        return all(key is not None and is_literal(key) for key in node.keys) and all(map(is_literal, node.values))
    if isinstance(node, ast.UnaryOp):
        return isinstance(node.op, ast.USub | ast.UAdd) and is_literal(node.operand)
    return isinstance(node, ast.Constant)


def names(source: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the global names that a text binds and those that it uses, nested scopes included."""
    try:
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            top = symtable.symtable(source, "reply", "exec")
    except UNREADABLE:
        return frozenset(), frozenset()
    bound = {name.get_name() for name in top.get_symbols() if name.is_assigned() or name.is_imported()}
    needed = {name.get_name() for name in top.get_symbols() if name.is_referenced()}
    for table in _nested(top):
        needed |= {name.get_name() for name in table.get_symbols() if name.is_referenced() and name.is_global()}
    return frozenset(bound), frozenset(needed)


def _nested(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _nested(child)


def _attempt(text: str) -> tuple[ast.Module | None, bool]:
    """Parse; say of what does not parse whether more lines could mend it."""
    try:
        with _WARNINGS, warnings.catch_warnings():  # an invalid escape in a reply is no concern of the caller
            warnings.simplefilter("ignore")
            return ast.parse(text), False
    except SyntaxError as error:
        return None, any(hint in error.msg for hint in _UNFINISHED)
    except UNREADABLE:
        return None, False


def _docstring(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    first = node.body[0] if node.body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)


def _chunks(text: str) -> list[str]:
    """Cut before every line that can begin a top-level statement."""
    chunks: list[list[str]] = []
    decorated = False
    for line in text.split("\n"):
        begins = bool(line.strip()) and not line[0].isspace() and line[0] not in _JOINS
        if not chunks or (begins and not _CONTINUES.match(line) and not decorated):
            chunks.append([])
        chunks[-1].append(line)
        decorated = line.startswith("@") or (decorated and not begins)
    return ["\n".join(chunk) for chunk in chunks]


def _described(tree: ast.Module, text: str) -> list[Statement]:
    """Pair every top-level statement with its lines and names."""
    lines = text.split("\n")
    found: list[Statement] = []
    before = 0
    nodes = tree.body
    starts = [min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", []))]) for node in nodes]
    for index, node in enumerate(nodes):
        start, end = starts[index], node.end_lineno or starts[index]
        if start <= before or (index + 1 < len(nodes) and starts[index + 1] <= end):
            source = unparse(node) or ""  # several statements on a line
        else:
            while start - 2 >= before and lines[start - 2].lstrip().startswith("#"):
                start -= 1
            source = "\n".join(lines[start - 1 : end]).rstrip("\\ \t\n\f")
        before = end
        bound, needed = names(source)
        found.append(Statement(node=node, text=source, bound=bound, needed=needed))
    return found
