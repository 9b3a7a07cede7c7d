"""The test's end of the conversation: plain values come over as they are, everything else as a stand-in."""

from __future__ import annotations

import builtins
import functools
import socket
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

from . import wire
from .outcome import OutputLimit
from .peer import Died, Peer, find_shared, shared
from .standins import Handle, RemoteClass, RemoteFunction, RemoteIterator, RemoteObject

PLAIN_CALLABLES = (types.FunctionType, types.BuiltinFunctionType, types.MethodType, functools.partial, type)


class Unsplittable(BaseException):
    """The test needs the code's objects themselves."""


class JudgePeer(Peer):
    """The test's end of the conversation."""

    def __init__(self, sock: socket.socket, value_bytes: int) -> None:
        super().__init__(sock, value_bytes)
        self.unsplittable: str | None = None
        self.classes: dict[int, type] = {}
        self.output: str | None = None
        self.strict = True
        """The test names no class of the code's: it expects plain data (see `RemoteObject`)."""

    # --- what the test calls -------------------------------------------------------------------------------------

    def function(self, name: str) -> Callable[..., object]:
        """Return the stand-in for the code's function of that name."""

        def entry(*args: object, **kwargs: object) -> object:
            return self.call("entry", name, args, kwargs)

        entry.__name__ = entry.__qualname__ = name
        entry.__dict__["_of"] = (self, name)
        entry.__dict__["each"] = functools.partial(self.each, name)
        entry.__dict__["told"] = self.told
        return entry

    def each(self, name: str, inputs: list[list[object]]) -> str:
        """Call a function of the code once for each list of arguments; return a hash over the results (see `batch`)."""
        found = self.operate("each", name, inputs)
        if type(found) is not str:
            raise self.fail("malformed answer")
        return found

    def told(self, number: int) -> object:
        """Return the result of one of the calls that `each` made, or raise what it raised."""
        return self.operate("told", number)

    def names(self, wanted: list[str]) -> dict[str, object]:
        """Return those of the names that the code defines."""
        answer = self.request("names", list(wanted))
        found = answer.get("ok")
        if not isinstance(found, dict):
            raise self.fail("malformed answer")
        values = {name: self._value(form) for name, form in found.items() if name in wanted}
        if any(isinstance(value, type) for value in values.values()):
            self.strict = False
        return values

    def call(self, operation: str, target: object, args: tuple[object, ...], kwargs: dict[str, object]) -> object:
        """Call a function of the code; arguments it changed in place are changed here too."""
        if self.dead is not None:
            raise Died(self.dead)
        try:
            forms = [self.encode(target), self.encode(list(args)), self.encode(kwargs)]
        except (wire.WireError, RecursionError) as error:
            raise self.cannot(f"an argument: {error}") from None
        answer = self.request(operation, forms)
        for where, form in self._changes(answer):
            self._merge(args[where] if isinstance(where, int) else kwargs[where], self._value(form))
        form = answer.get("ok")
        if type(form) is list and len(form) == 2 and form[0] == "@" and "x" not in answer:
            if type(form[1]) is not int or not 0 <= form[1] < len(args):
                raise self.fail("malformed answer")
            return args[form[1]]
        return self.result(answer)

    def _changes(self, answer: dict[str, Any]) -> list[Any]:
        changes = answer.get("m", [])
        if type(changes) is not list or not all(type(c) is list and len(c) == 2 for c in changes):
            raise self.fail("malformed answer")
        return list(changes)

    def operate(self, name: str, *arguments: object) -> Any:
        """Ask the code side for one operation on its objects."""
        if self.dead is not None:
            raise Died(self.dead)
        try:
            forms = [self.encode(argument) for argument in arguments]
        except (wire.WireError, RecursionError) as error:
            raise self.cannot(f"an operand: {error}") from None
        return self.result(self.request(name, forms), may_stop=name == "next")

    def result(self, answer: dict[str, Any], *, may_stop: bool = False) -> object:
        """Return what an answer says, or raise it; only an iterator may end the iteration around it."""
        if "x" in answer:
            error = self._exception(answer["x"])
            raise (
                RuntimeError("the code raised StopIteration")
                if isinstance(error, StopIteration) and not may_stop
                else error
            )
        if "ok" not in answer:
            raise self.fail("malformed answer")
        return self._value(answer["ok"])

    def cannot(self, reason: str) -> Unsplittable:
        """Note for good that this test cannot be split; return the exception to raise."""
        if self.unsplittable is None:
            self.unsplittable = reason
        return Unsplittable(reason)

    # --- values --------------------------------------------------------------------------------------------------

    def _value(self, form: object) -> Any:
        try:
            return self.decode(form)
        except wire.WireError as error:
            raise self.fail(f"malformed value: {error}") from None

    def _merge(self, old: Any, new: Any) -> Any:
        """Change `old` in place into `new` where both are containers of one type; return what now stands for new."""
        if type(old) is not type(new):
            return new
        match old:
            case list():
                same = len(old) == len(new)
                old[:] = [self._merge(a, b) for a, b in zip(old, new, strict=True)] if same else new
            case deque():
                same = len(old) == len(new)
                items = [self._merge(a, b) for a, b in zip(old, new, strict=True)] if same else list(new)
                old.clear()
                old.extend(items)
            case dict() | Counter() | OrderedDict() | defaultdict():
                merged = {k: self._merge(old[k], v) if k in old else v for k, v in new.items()}
                old.clear()
                old.update(merged)
            case set():
                old.clear()
                old.update(new)
            case bytearray():
                old[:] = new
            case tuple() if len(old) == len(new):
                parts = tuple(self._merge(a, b) for a, b in zip(old, new, strict=True))
                return old if all(a is b for a, b in zip(old, parts, strict=True)) else parts
            case _:
                return new
        return old

    def opaque(self, value: Any) -> object:
        """Return the form of an object of the test's."""
        kind = type(value)
        if issubclass(kind, Handle):
            return ["h", value._number]
        if kind is RemoteClass:
            return ["h", type.__getattribute__(value, "_number")]
        if isinstance(value, type) and value in self.classes.values():
            return ["h", next(number for number, known in self.classes.items() if known is value)]
        if kind is types.FunctionType and "_of" in value.__dict__:
            return ["en", value.__dict__["_of"][1]]
        name = getattr(value, "__name__", "")
        if kind in (types.BuiltinFunctionType, type) and getattr(builtins, name, None) is value:
            return ["bi", name]
        if shared(value):
            return ["im", [value.__module__, value.__qualname__]]
        if kind in PLAIN_CALLABLES:
            return ["cb", self.keep(value)]
        raise wire.WireError(f"a {kind.__name__} of the test's cannot cross")

    def build(self, data: list[Any]) -> object:
        """Return the stand-in of a form of the code's."""
        match data:
            case ["h", int() as number]:
                return self.objects[number]
            case ["fn", int() as number, str() as name]:
                return RemoteFunction(self, number, name)
            case ["it", int() as number]:
                return RemoteIterator(self, number, "iterator")
            case ["ob", int() as number, str() as name]:
                return RemoteObject(self, number, name)
            case ["mo", str() as name]:
                return find_shared(name, None)
            case ["im", str() as module, str() as name]:
                return find_shared(module, name)
            case ["cl", int() as number, str() as name]:
                if number not in self.classes:
                    self.classes[number] = RemoteClass.make(self, number, name)
                return self.classes[number]
            case ["ex", int() as number, [str() as name, str() as base, *_]]:
                return self._exception_class(number, name, base)
        raise wire.WireError(f"tag {data[0]!r}")

    def _exception_class(self, number: int, name: str, base: str) -> type:
        if number not in self.classes:
            self.classes[number] = type(name, (_builtin_exception(base),), {})
        return self.classes[number]

    def _exception(self, form: Any) -> BaseException:
        match form:
            case ["OutputLimit", *_]:
                self.output = "printed or returned more than the limit"
                return OutputLimit(self.output)
            case [str() as name, str() as base, where, list() as arguments]:
                pass
            case _:
                return self.fail("malformed exception")
        kind: Any
        if isinstance(where, int):
            kind = self._exception_class(where, name, base)
        elif isinstance(where, str):
            try:
                kind = find_shared(where, name)
            except (wire.WireError, AttributeError):
                kind = Exception
        else:
            kind = _builtin_exception(base)
        values = self._value(arguments)
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            return self.fail("malformed exception")
        try:
            error = kind(*values)
        except TypeError:
            error = kind.__new__(kind)
            error.args = tuple(values)
        return error

    def perform(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        """Call a function of the test's that it gave to the code."""
        try:
            number, args, kwargs = (self.decode(argument) for argument in arguments)
            function = self.objects[number]
        except (wire.WireError, LookupError, TypeError, ValueError):
            raise self.fail("malformed request") from None
        if name != "call" or not callable(function) or type(args) is not list or type(kwargs) is not dict:
            raise self.fail("malformed request")
        try:
            return {"ok": self.encode(function(*args, **kwargs))}
        except wire.WireError as error:
            raise self.cannot(f"a result: {error}") from None
        except Exception as error:  # noqa: BLE001 (what the test's function raises goes to the code that called it)
            return {"x": self.exception_form(error)}


def _builtin_exception(name: str) -> type[BaseException]:
    kind = getattr(builtins, name, None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else Exception
