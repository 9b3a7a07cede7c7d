"""What makes a forged pass in one process harder, and noticed.

The code and the test share this process, so nothing here is proof: a pass from it is labelled `in_process`.

Not covered: code that reaches the harness's memory without an audited call. That race cannot be won, which is why the
split is the default.
"""

from __future__ import annotations

import ast
import functools
import os
import sys
import types
import unittest
from collections.abc import Callable
from typing import Any

_EVENTS = """
sys._getframe sys._current_frames sys._current_exceptions sys.settrace sys.setprofile sys.addaudithook gc.get_objects
gc.get_referrers gc.get_referents code.__new__ function.__new__ cpython._PySys_ClearAuditHooks os.exec os.kill os.fork
os.forkpty signal.pthread_kill
"""
EVENTS = frozenset(_EVENTS.split())
FRAMES = frozenset({"tb_frame", "gi_frame", "cr_frame", "ag_frame"})
ATTRIBUTES = FRAMES | {"__code__", "__globals__", "__closure__"}
MODULES = frozenset({"gc", "ctypes", "_ctypes", "_testcapi", "_testinternalcapi", "_xxsubinterpreters"})
PLAIN = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, list, tuple, dict, set, frozenset, range, type(None)}
)
CHANGES = frozenset({"_", "__warningregistry__", "argv"})
"""Names of modules that the harness or the interpreter itself replaces meanwhile."""
LIBRARY = os.path.dirname(os.__file__) + "/"  # noqa: PTH120 (pathlib is not loaded here)
SPIES = tuple(LIBRARY + name for name in ("inspect.py", "traceback.py", "ctypes/"))
_TEXT_ONLY = "format_exc print_exc format_exception print_exception format_exception_only format_tb print_tb"
TEXT_ONLY = frozenset(_TEXT_ONLY.split())
"""Functions of `traceback` that hand out no frame."""
EQUAL, CONTAINS = "__sandbox_equal__", "__sandbox_contains__"

_mro = type.__dict__["__mro__"].__get__
_dict = type.__dict__["__dict__"].__get__


class Tampering(BaseException):
    """The code reached for the verdict."""


class Tripwires:
    """Notes the first thing that ordinary code has no need to do."""

    def __init__(self) -> None:
        self.tripped: list[str] = []
        self.snapshots: dict[types.ModuleType, dict[str, object]] = {}

    # --- calls ---------------------------------------------------------------------------------------------------

    def arm(self) -> None:
        """Watch the interpreter's audit events from now on; it cannot be undone."""
        note = self.tripped.append
        frame_of = sys._getframe
        busy = False

        def hook(event: str, args: tuple[Any, ...]) -> None:
            nonlocal busy
            if busy or not (
                event in EVENTS or event in ("import", "object.__getattr__", "compile") or event[:7] == "ctypes."
            ):
                return
            busy = True
            try:
                if event == "import" and args[0] not in MODULES:
                    return
                if event == "object.__getattr__" and args[1] not in ATTRIBUTES:
                    return
                if event == "compile" and not (type(args[1]) is str and args[1].startswith(LIBRARY)):
                    return
                spies = () if event == "object.__getattr__" and args[1] not in FRAMES else SPIES
                if _by_candidate(frame_of(1), spies):
                    note(f"{event} {args[0] if event == 'import' else ''}".strip())
            finally:
                busy = False

        sys.addaudithook(hook)

    # --- libraries -----------------------------------------------------------------------------------------------

    def remember(self, tree: ast.AST | None) -> None:
        """Note what the builtins and the modules that the test imports hold now."""
        names = {"builtins", "unittest", "unittest.case"}
        for node in ast.walk(tree) if tree is not None else ():
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module)
            elif isinstance(node, ast.Name) and node.id in sys.stdlib_module_names:
                names.add(node.id)
        for name in sorted(names):
            if name.partition(".")[0] in sys.stdlib_module_names:
                try:
                    module = __import__(name, fromlist=["*"])
                except ImportError:
                    continue
                self.snapshots[module] = dict(module.__dict__)
        self.snapshots[_ClassAsModule] = dict(unittest.TestCase.__dict__)

    def compare(self) -> None:
        """Note every name of those modules that has changed."""
        for module, before in self.snapshots.items():
            now = unittest.TestCase.__dict__ if module is _ClassAsModule else module.__dict__
            for name, value in before.items():
                if now.get(name) is not value and name not in CHANGES:
                    self.tripped.append(f"replaced {name!r} of a library")

    # --- comparisons ---------------------------------------------------------------------------------------------

    def equal(self, left: Any, right: Any) -> Any:
        """Return `left == right`, with plain values compared as plain values whatever the other side says."""
        kind, other = type(left), type(right)
        if kind is other and kind in (list, tuple):
            return len(left) == len(right) and all(self.equal(a, b) for a, b in zip(left, right, strict=True))
        if kind is other is dict:
            return left.keys() == right.keys() and all(self.equal(left[k], right[k]) for k in left)
        result = left == right
        if (kind in PLAIN) != (other in PLAIN) and result is not False:
            stranger = other if kind in PLAIN else kind
            if _written_here(stranger, "__eq__"):
                self.tripped.append("an object that calls itself equal to a plain value")
                return False
        return result

    def contains(self, item: Any, container: Any) -> bool:
        """Return `item in container`, the members compared by `equal`."""
        if type(container) in (list, tuple) and type(item) not in PLAIN:
            return any(member is item or bool(self.equal(item, member)) for member in container)
        return item in container

    def rewrite(self, tree: ast.Module) -> ast.Module:
        """Return the test with its comparisons made by these methods."""
        _Rewriter().visit(tree)
        return ast.fix_missing_locations(tree)

    def names(self) -> dict[str, Callable[..., object]]:
        """Return what a rewritten test calls."""
        return {EQUAL: self.equal, CONTAINS: self.contains}

    def guard_unittest(self) -> None:
        """Make `assertEqual` and its kin compare by `equal`."""
        equal = self.equal

        def check(case: unittest.TestCase, first: object, second: object, msg: object = None) -> None:
            if not equal(first, second):
                raise case.failureException(msg or f"{first!r} != {second!r}")

        def choose(case: unittest.TestCase, first: object, second: object) -> Callable[..., None]:
            return functools.partial(check, case)

        setattr(unittest.TestCase, "_getAssertEqualityFunc", choose)  # noqa: B010 (private, on purpose)


class _Module(types.ModuleType):
    """Stands for a class among the modules remembered."""


_ClassAsModule = _Module("unittest.TestCase")


def _by_candidate(frame: types.FrameType | None, spies: tuple[str, ...]) -> bool:
    """Say whether the call comes from code that is not the standard library's, these parts of it looked through."""
    spy = ""
    while frame is not None:
        name = frame.f_code.co_filename
        if spies and name.startswith(spies):
            spy = frame.f_code.co_name
            frame = frame.f_back
            continue
        if spy in TEXT_ONLY:
            return False
        return not (name.startswith((LIBRARY, "<frozen ")) or name.startswith(os.path.dirname(__file__)))  # noqa: PTH120
    return False


def _written_here(kind: type, method: str) -> bool:
    """Say whether a class's method is not of the standard library."""
    for parent in _mro(kind):
        found = _dict(parent).get(method)
        if found is not None:
            if type(found) is not types.FunctionType:
                return type(found) not in (types.WrapperDescriptorType, types.MethodDescriptorType)
            return not found.__code__.co_filename.startswith((LIBRARY, "<frozen "))
    return False


class _Rewriter(ast.NodeTransformer):
    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        if len(node.ops) != 1 or not isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
            return node
        name = EQUAL if isinstance(node.ops[0], (ast.Eq, ast.NotEq)) else CONTAINS
        call = ast.Call(ast.Name(name, ast.Load()), [node.left, node.comparators[0]], [])
        negated = isinstance(node.ops[0], (ast.NotEq, ast.NotIn))
        return ast.copy_location(ast.UnaryOp(ast.Not(), call) if negated else call, node)
