"""Which codes may serve many tests in one process: those that cannot keep anything, read off their text."""

from __future__ import annotations

import pytest

from sandbox.harness.stateless import stateless


@pytest.mark.parametrize(
    "source",
    [
        "def f(x):\n    return x + 1",
        "import math\nfrom collections import Counter\n\ndef f(x, k=2):\n    return Counter(x).most_common(k), math.pi",
        "LIMIT = 3\nNAMES = ('a', -1, (2, 3))\n\ndef f(x):\n    return x[:LIMIT]",
        "def g(x):\n    return x\n\ndef f(xs):\n    return sorted(map(g, xs), key=lambda v: (v, 1))",
        "def f(n):\n    seen = {}\n    def inner(k):\n        nonlocal n\n        seen[k] = n\n    return inner(1)",
        "'What it does.'\ndef f(x):\n    try:\n        return int(x)\n    except ValueError as e:\n        return 1",
        "import random\ndef f():\n    return random.random()",
    ],
)
def test_a_code_of_plain_functions_keeps_nothing(source: str) -> None:
    assert stateless(source)


@pytest.mark.parametrize(
    "source",
    [
        "seen = []\ndef f(x):\n    seen.append(x)",
        "def f(x, seen=[]):\n    return seen",
        "def f(x, *, seen={}):\n    return seen",
        "f = lambda x, seen=[]: seen",
        "def f(x):\n    g = lambda v, seen=[]: seen\n    return g",
        "n = 0\ndef f(x):\n    global n\n    n += 1",
        "def f(x):\n    f.calls = 1",
        "def f(x):\n    del f.calls",
        "import functools\n@functools.lru_cache\ndef f(x):\n    return []",
        "from functools import cache\ndef f(x):\n    return x",
        "import functools\ndef f(x):\n    return functools.cache(x)",
        "class A:\n    n = []\ndef f(x):\n    return A.n",
        "import sys\ndef f(x):\n    return x",
        "from os import path\ndef f(x):\n    return x",
        "import os.path\ndef f(x):\n    return x",
        "from math import *\ndef f(x):\n    return x",
        "from . import math\ndef f(x):\n    return x",
        "import statistics\ndef f(x):\n    return statistics.sys.setrecursionlimit(x)",
        "from typing import sys\ndef f(x):\n    return x",
        "import math\ndef f(x):\n    math.pi = 3",
        "import math\ndef f(x):\n    math.__dict__['pi'] = 3",
        "def f(x):\n    return f.__defaults__",
        "def f(x):\n    return globals()",
        "def f(x):\n    return eval(x)",
        "def f(x):\n    return getattr(f, x)",
        "def f(x):\n    setattr(f, 'a', x)",
        "def f(x):\n    return vars(f)",
        "def f(x):\n    return open(x)",
        "def f(x):\n    return __builtins__",
        "def f(x):\n    return __import__('os')",
        "from collections.abc import Sequence\ndef f(x):\n    Sequence.register(type(f))",
        "it = iter((1, 2, 3))\ndef f(x):\n    return next(it)",
        "def f(x):\n    return x\nf(1)",
        "for i in (1, 2):\n    pass\ndef f(x):\n    return i",
        "x: list = []\ndef f():\n    return x",
        "async def f(x):\n    return x",
        "a, b = 1, 2\ndef f():\n    return a",
        "def f(:",
        "\0",
        "(" * 9999,
    ],
)
def test_a_code_that_could_keep_something_is_told(source: str) -> None:
    assert not stateless(source)
