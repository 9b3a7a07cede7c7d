"""A test's text: compiled once, then run in a module of its own."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
import types
import unittest
from dataclasses import dataclass

MODULE = "__main__"
NOTE_CHARS = 32_000


@dataclass(frozen=True, slots=True)
class Test:
    """A compiled test."""

    code: types.CodeType | None
    error: str = ""
    free: tuple[str, ...] = ()
    """Names it uses and does not define: the code is to define them."""
    functions: tuple[str, ...] = ()
    """`test_*` functions without parameters that it defines and never calls."""
    simple: bool = False
    """It can leave nothing behind in its process: asserts of expressions without a name or attribute that could."""


def compile_test(source: str) -> Test:
    """Return the test compiled, or why it cannot be."""
    try:
        tree = ast.parse(source)
        code = compile(tree, "<test>", "exec", dont_inherit=True)
        return Test(code, free=_free_names(source), functions=_uncalled(tree), simple=_simple(tree))
    except MemoryError:
        return Test(None, "too deeply nested to compile")
    except (SyntaxError, ValueError, OverflowError, RecursionError) as error:
        return Test(None, f"{type(error).__name__}: {error}"[:300])


_HARMLESS = """
abs all any ascii bin bool bytearray bytes chr complex dict divmod enumerate filter float format frozenset hash hex int
isinstance issubclass iter len list map max min next object oct ord pow range repr reversed round set slice sorted str
sum tuple type zip
"""
HARMLESS = frozenset(_HARMLESS.split())


def _simple(tree: ast.Module) -> bool:
    """Say whether a process can run other tests after this one: only asserts, and nothing that reaches further."""
    for statement in tree.body:
        if not isinstance(statement, ast.Assert):
            return False
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and hasattr(builtins, node.id) and node.id not in HARMLESS:
                return False
            if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
                return False
            if isinstance(node, ast.NamedExpr):
                return False
    return True


def _free_names(source: str) -> tuple[str, ...]:
    """Return the global names that the test reads, does not bind, and that are not builtins."""
    bound: set[str] = set()
    used: set[str] = set()
    top = symtable.symtable(source, "<test>", "exec")
    tables = [top]
    while tables:
        table = tables.pop()
        tables.extend(table.get_children())
        for symbol in table.get_symbols():
            outermost = table is top or symbol.is_declared_global()
            if outermost and (symbol.is_assigned() or symbol.is_imported()):
                bound.add(symbol.get_name())
            if symbol.is_referenced() and (table is top or symbol.is_global()):
                used.add(symbol.get_name())
    return tuple(sorted(name for name in used - bound if not hasattr(builtins, name)))


def _uncalled(tree: ast.Module) -> tuple[str, ...]:
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return tuple(
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test")
        and not (node.args.args or node.args.posonlyargs or node.args.kwonlyargs)
        and node.name not in called
    )


def run_test(test: Test, names: dict[str, object]) -> str:
    """Run the test with these names defined, and return its note; whatever it raises comes out.

    unittest classes are run after the text, and so are `test_*` functions that it does not call itself. The note is
    what the text leaves in `NOTE`: a str of at most `NOTE_CHARS`, else nothing.
    """
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module
    sys.argv = ["test"]
    space = module.__dict__
    space.update(names)
    if test.code is None:
        raise SyntaxError(test.error)
    exec(test.code, space)  # noqa: S102 (this is what the process is for)
    for name in test.functions:
        space[name]()
    cases = [v for v in space.values() if isinstance(v, type) and issubclass(v, unittest.TestCase)]
    if cases:
        _run_cases(cases)
    note = space.get("NOTE")
    return note if type(note) is str and len(note) <= NOTE_CHARS else ""


def _main_later(*_: object, **__: object) -> None:
    """Stand in for unittest.main: the cases are run after the text."""


unittest.main = _main_later  # type: ignore[assignment]


def _run_cases(cases: list[type[unittest.TestCase]]) -> None:
    for case in dict.fromkeys(cases):
        for name in unittest.defaultTestLoader.getTestCaseNames(case):
            if any(getattr(marked, "__unittest_skip__", False) for marked in (case, getattr(case, name))):
                continue  # by the test's own text
            result = Result()
            case(name).run(result)
            if result.raised is not None:
                raise result.raised


class Result(unittest.TestResult):
    """Keeps the first thing that was raised."""

    raised: BaseException | None = None

    def addError(self, test: unittest.TestCase, err: object) -> None:  # noqa: N802
        """Note an error."""
        self._note(err)

    def addFailure(self, test: unittest.TestCase, err: object) -> None:  # noqa: N802
        """Note a failure."""
        self._note(err)

    def addSubTest(self, test: unittest.TestCase, subtest: unittest.TestCase, err: object) -> None:  # noqa: N802
        """Note a failure within a subtest."""
        if err is not None:
            self._note(err)

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        """Note that a test was left in the middle: that is no pass."""
        self._note((unittest.SkipTest, unittest.SkipTest(reason)))

    def addUnexpectedSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        """Note a test that should have failed."""
        self._note((AssertionError, AssertionError("unexpected success")))

    def _note(self, err: object) -> None:
        if self.raised is None and isinstance(err, tuple) and isinstance(err[1], BaseException):
            self.raised = err[1]
