"""Does a code keep anything from one call to the next? Read off its text, without running it.

A code that does not can serve many tests in one process; any other is forked for each of them. So a wrong "yes" would
let a code's own earlier calls change its later answers, and no more than that: verdicts come from elsewhere.

A "yes" needs all of this: at its top level only imports of harmless modules, functions without decorators, and
constants that cannot change; no default that can change, no `global`, no class, no attribute that is stored to or
begins with an underscore; no name of a builtin that reaches further.
"""

from __future__ import annotations

import ast
import builtins
import sys

_MODULES = """
__future__ bisect cmath collections collections.abc copy datetime fractions functools heapq itertools json math numbers
random re statistics string typing
"""
MODULES = frozenset(_MODULES.split())
_BUILTINS = """
abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter float format frozenset
hash hex int isinstance issubclass iter len list map max min next object oct ord pow print range repr reversed round set
slice sorted str sum tuple type zip True False None NotImplemented Ellipsis
"""
BUILTINS = frozenset(_BUILTINS.split()) | {
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
}
REACHING = (sys.stdlib_module_names - MODULES) | frozenset(
    {"cache", "lru_cache", "cached_property", "update_wrapper", "wraps", "singledispatch", "register"}
)
"""Names in those modules that give a function a memory or change one, and the modules that they import."""


def stateless(source: str) -> bool:
    """Return True where every call of the code's functions finds the same world."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False
    return all(map(_top, tree.body)) and all(map(_harmless, ast.walk(tree)))


def _top(statement: ast.stmt) -> bool:
    if isinstance(statement, (ast.Import, ast.ImportFrom, ast.FunctionDef)):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assign):
        plain = all(isinstance(target, ast.Name) for target in statement.targets)
        return plain and _constant(statement.value)
    return False


def _constant(node: ast.expr | None) -> bool:
    match node:
        case None | ast.Constant():
            return True
        case ast.Tuple():
            return all(map(_constant, node.elts))
        case ast.UnaryOp():
            return _constant(node.operand)
        case ast.BinOp():
            return _constant(node.left) and _constant(node.right)
    return False


def _harmless(node: ast.AST) -> bool:
    match node:
        case ast.Import():
            return all(alias.name in MODULES for alias in node.names)
        case ast.ImportFrom():
            names = {alias.name for alias in node.names}
            return node.level == 0 and node.module in MODULES and not names & (REACHING | {"*"})
        case ast.FunctionDef() | ast.Lambda():
            arguments = node.args
            fixed = all(map(_constant, [*arguments.defaults, *arguments.kw_defaults]))
            return fixed and not getattr(node, "decorator_list", [])
        case ast.Attribute():
            return isinstance(node.ctx, ast.Load) and not node.attr.startswith("_") and node.attr not in REACHING
        case ast.Name():
            return node.id in BUILTINS or (not hasattr(builtins, node.id) and not node.id.startswith("__"))
        case ast.Global() | ast.ClassDef() | ast.AsyncFunctionDef() | ast.Await():
            return False
    return True
