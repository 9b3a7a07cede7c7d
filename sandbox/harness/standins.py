"""Stand-ins for objects that live on the code side: what is done to them is asked of it.

A stand-in never equals a plain value, so an object whose `__eq__` says yes to everything gains nothing. Two stand-ins
are compared by the code, because both sides of that comparison are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .proxies import JudgePeer


_PLAIN = (bool, int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
PLAIN_METHODS = frozenset(name for kind in _PLAIN for name in dir(kind) if not name.startswith("_"))


class Handle:
    """An object that lives on the code side."""

    __slots__ = ("_name", "_number", "_peer")
    _peer: JudgePeer
    _number: int
    _name: str

    def __init__(self, peer: JudgePeer, number: int, name: str) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_name", name)

    def __getattr__(self, name: str) -> object:
        return self._peer.operate("getattr", self, name)

    def __setattr__(self, name: str, value: object) -> None:
        self._peer.operate("setattr", self, name, value)

    def __call__(self, *args: object, **kwargs: object) -> object:
        """Call it on the code side."""
        return self._peer.call("call", self, args, kwargs)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return self._number == other._number or bool(self._exact("eq", bool, other))

    def __hash__(self) -> int:
        return int(self._exact("hash", int))

    def _exact(self, operation: str, kind: type, *arguments: object) -> Any:
        result = self._peer.operate(operation, self, *arguments)
        if type(result) is not kind:
            raise TypeError(f"{operation} of a {self._name} gave a {type(result).__name__}")
        return result

    def __bool__(self) -> bool:
        return bool(self._exact("bool", bool))

    def __str__(self) -> str:
        return str(self._exact("str", str))

    def __repr__(self) -> str:
        return str(self._exact("repr", str))


class RemoteFunction(Handle):
    """A function that lives on the code side."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return True


class RemoteIterator(Handle):
    """An iterator or generator that lives on the code side."""

    __slots__ = ()

    def __iter__(self) -> RemoteIterator:
        return self

    def __next__(self) -> object:
        return self._peer.operate("next", self)


class RemoteObject(Handle):
    """Any other object that lives on the code side.

    A test that names no class of the code's takes what comes for plain data. An object that comes instead may be asked
    for data, which must then be right, but not for what only weighs data that the test has: a truth value, a
    comparison or sum with a plain value, a method that plain values have.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> object:
        if self._peer.strict and name in PLAIN_METHODS:
            raise TypeError(f"a {self._name} of the code's own stands for a plain value: {name} is not asked of it")
        return super().__getattr__(name)

    def __bool__(self) -> bool:
        self._refuse("its truth")
        return super().__bool__()

    def _refuse(self, what: str, *others: object) -> None:
        """Raise where a test that expects plain data would have this object weigh it."""
        if self._peer.strict and not (others and all(isinstance(other, Handle) for other in others)):
            raise TypeError(f"a {self._name} of the code's own stands for a plain value: {what} is not asked of it")

    def __iter__(self) -> object:
        return self._peer.operate("iter", self)

    def __len__(self) -> int:
        return int(self._exact("len", int))

    def __int__(self) -> int:
        return int(self._exact("int", int))

    def __float__(self) -> float:
        return float(self._exact("float", float))

    def __index__(self) -> int:
        return int(self._exact("index", int))

    def __contains__(self, item: object) -> bool:
        self._refuse("what it contains")
        return bool(self._exact("contains", bool, item))


def _forward(operation: str) -> Callable[..., object]:
    def method(self: RemoteObject, *arguments: object) -> object:
        if operation in _WEIGHING:
            self._refuse(operation, *arguments)
        return self._peer.operate(operation, self, *arguments)

    return method


_WEIGHING_NAMES = "lt le gt ge add sub mul truediv floordiv mod pow and or xor"
_WEIGHING = frozenset(_WEIGHING_NAMES.split())
for _name in f"getitem setitem delitem neg abs {_WEIGHING_NAMES}".split():
    setattr(RemoteObject, f"__{_name}__", _forward(_name))


class RemoteClass(type):
    """A class that lives on the code side."""

    _peer: JudgePeer
    _number: int

    @staticmethod
    def make(peer: JudgePeer, number: int, name: str) -> RemoteClass:
        """Return the stand-in of a class."""
        made = type.__new__(RemoteClass, name, (), {})
        made._peer = peer
        made._number = number
        return made

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> RemoteClass:
        """Refuse to be inherited from."""
        for base in bases:
            if isinstance(base, RemoteClass):
                raise base._peer.cannot("a class of the test's inherits from the code's")
        raise TypeError("not a class to be made")

    def __call__(cls, *args: object, **kwargs: object) -> object:
        """Make an object on the code side."""
        return cls._peer.call("call", cls, args, kwargs)

    def __getattr__(cls, name: str) -> object:
        return cls._peer.operate("getattr", cls, name)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Handle) is True and bool(cls._peer.operate("isinstance", instance, cls) is True)

    def __subclasscheck__(cls, other: type) -> bool:
        return type(other) is RemoteClass and bool(cls._peer.operate("issubclass", other, cls) is True)
