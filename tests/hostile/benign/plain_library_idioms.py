# {"allowed": ["passed"], "entry": "S", "test": "class X(S):\n    pass\nassert X().f(3) == 4"}
import dataclasses
import enum
import functools
import inspect
import logging
import typing
import warnings
from collections import namedtuple

Pair = namedtuple('Pair', 'a b')


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass(order=True)
class Base:
    value: int = 0


class Row(typing.NamedTuple):
    a: int = 1


class S(Base):
    @functools.lru_cache(maxsize=None)
    def _g(self, x):
        return x + 1

    __hash__ = object.__hash__

    def f(self, x):
        logging.getLogger('a').debug('b')
        warnings.warn('c', stacklevel=2)
        inspect.signature(self._g)
        return self._g(x) * Pair(1, 2).a * Row().a * Colour.RED.value
