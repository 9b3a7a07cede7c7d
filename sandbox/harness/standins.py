"""Stand-ins for objects that live on the code side: what is done to them is asked of it.

A stand-in never equals a plain value, so an object whose `__eq__` says yes to everything gains nothing. Two stand-ins
are compared by the code, because both sides of that comparison are its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .proxies import JudgePeer


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
    """Any other object that lives on the code side."""

    __slots__ = ()

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
        return bool(self._exact("contains", bool, item))


def _forward(operation: str) -> Callable[..., object]:
    def method(self: Handle, *arguments: object) -> object:
        return self._peer.operate(operation, self, *arguments)

    return method


_FORWARDED = "getitem setitem delitem lt le gt ge add sub mul truediv floordiv mod pow neg abs and or xor"
for _name in _FORWARDED.split():
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
