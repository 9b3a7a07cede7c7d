"""Makes a right program wrong in one place, the same way each time: operators, constants, off-by-one, early returns."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator

_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.FloorDiv,
    ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip

Change = Callable[[ast.AST], None]


def mutants(source: str, entry_point: str, *, count: int, seed: int) -> list[str]:
    """Return up to `count` different programs, each with one change inside the function `entry_point`.

    Args:
        source: A program that defines it at the top level.
        entry_point: The function.
        count: How many are wanted; there may be fewer places to change.
        seed: Decides which.
    """
    tree = ast.parse(source)
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == entry_point)
    places = [(path, number) for path, node in enumerate(ast.walk(function)) for number, _ in enumerate(_changes(node))]
    random.Random(seed).shuffle(places)  # noqa: S311 (nothing secret)
    found: dict[str, None] = {}
    for path, number in places:
        if len(found) >= count:
            break
        changed = copy.deepcopy(tree)
        again = next(node for node in changed.body if isinstance(node, ast.FunctionDef) and node.name == entry_point)
        node = list(ast.walk(again))[path]
        list(_changes(node))[number](node)
        text = ast.unparse(ast.fix_missing_locations(changed)) + "\n"
        if text != ast.unparse(tree) + "\n":
            found.setdefault(text)
    return list(found)


def _changes(node: ast.AST) -> Iterator[Change]:
    """Yield what can be done to a node, one change each."""
    match node:
        case ast.BinOp(op=op) | ast.AugAssign(op=op) | ast.BoolOp(op=op) if type(op) in _OPERATORS:
            yield lambda here: setattr(here, "op", _OPERATORS[type(op)]())
        case ast.Compare(ops=[op, *_]) if type(op) in _OPERATORS:
            yield lambda here: setattr(here, "ops", [_OPERATORS[type(op)](), *getattr(here, "ops")[1:]])  # noqa: B009
        case ast.Constant(value=bool() as value):
            yield lambda here: setattr(here, "value", not value)
        case ast.Constant(value=int() | float() as number):
            yield lambda here: setattr(here, "value", number + 1)
            yield lambda here: setattr(here, "value", number - 1)
        case ast.Call(func=ast.Name(id="range"), args=[*_, _]):
            yield _range_one_short
        case ast.FunctionDef():
            yield _return_at_once
        case ast.Return(value=ast.expr()):
            yield lambda here: setattr(here, "value", ast.Constant(None))
        case ast.If(test=test):
            yield lambda here: setattr(here, "test", ast.UnaryOp(ast.Not(), test))


def _range_one_short(node: ast.AST) -> None:
    arguments: list[ast.expr] = getattr(node, "args")  # noqa: B009
    where = 0 if len(arguments) == 1 else 1
    arguments[where] = ast.BinOp(arguments[where], ast.Sub(), ast.Constant(1))


def _return_at_once(node: ast.AST) -> None:
    """Return the first argument as it came."""
    arguments: ast.arguments = getattr(node, "args")  # noqa: B009
    first = ast.Name(arguments.args[0].arg, ast.Load()) if arguments.args else ast.Constant(None)
    body: list[ast.stmt] = getattr(node, "body")  # noqa: B009
    body[:] = [ast.Return(first)]
