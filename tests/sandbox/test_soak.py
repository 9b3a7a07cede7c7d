"""Many executions: the same verdicts every time, and nothing that grows.

SANDBOX_SOAK=1000000 makes it the long run; the count is of cells of matrices, a thousandth of them in one process.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import psutil
import pytest

from sandbox import Limits, Sandbox, Verdict

from ..programs import UNSPLIT
from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

EXECUTIONS = int(os.environ.get("SANDBOX_SOAK", "10000"))
GROWTH_BYTES = 8 << 20
"""Most that any process may have grown by between the first tenth and the end."""

CODES = (
    "def f(x):\n    return sorted(x)",
    "def f(x):\n    return x[::-1]",
    "def f(x):\n    raise ValueError(x)",
    "import random\ndef f(x):\n    random.shuffle(x)\n    return x",
    "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)",
    "class A:\n    pass\ndef f(x):\n    return A()",
    "import os\ndef f(x):\n    os._exit(0)",
    "def f(x):\n    return (v for v in x)",
    "def f(x) return x",
    "def f(x):\n    return [0] * 10**12",
)
TESTS = (
    "assert f([3, 1, 2]) == [1, 2, 3]",
    "assert f([3, 1, 2]) == [2, 1, 3]",
    "assert len(f([1])) == 1",
    "assert f([1, 2, 3, 4, 5]) == [1, 2, 3, 4, 5]",
    "assert f([1]) == 1",
    "assert f([]) is None",
    "import math\nassert math.floor(f([1])[0]) == 1",
    "try:\n    f([1])\nexcept ValueError as error:\n    assert error.args == ([1],)",
    "assert sum(f([1, 2])) == 3",
    "assert f([2, 1]) != f([2, 1])",
)


def pass_once(box: Sandbox) -> list[str]:
    rows = box.run_matrix(CODES, TESTS, entry_point="f", seed=3)
    return [verdict.status.value for row in rows for verdict in row]


def sizes() -> dict[int, tuple[int, int]]:
    """Return memory, bytes, and open descriptors of this process and all below it, by process."""
    me, found = psutil.Process(), {}
    for process in (me, *me.children(recursive=True)):
        found[process.pid] = (process.memory_info().rss, process.num_fds())
    return found


def at_rest(patience_s: float = 20.0) -> dict[int, tuple[int, int]]:
    """Return the sizes once they stay the same: the last sessions are buried and the next children ready."""
    deadline, seen, same = time.monotonic() + patience_s, sizes(), 0
    while same < 10 and time.monotonic() < deadline:
        time.sleep(0.05)
        found = sizes()
        same = same + 1 if descriptors(found) == descriptors(seen) else 0
        seen = found
    return seen


def descriptors(found: dict[int, tuple[int, int]]) -> list[int]:
    return sorted(fds for _, fds in found.values())


@pytest.fixture(scope="module")
def counted() -> Counter[str]:
    return Counter()


def test_verdicts_repeat_and_nothing_grows(counted: Counter[str]) -> None:
    with open_or_skip("bwrap", workers=2, limits=Limits(wall_s=30.0)) as box:
        box.run_matrix([UNSPLIT[0]] * 20, [UNSPLIT[1]], entry_point="S")  # each worker starts its jail for these
        first, before = pass_once(box), {}
        wanted = max(2, EXECUTIONS // len(first))
        for number in range(1, wanted):
            assert pass_once(box) == first, f"pass {number} differs"
            if number % 10 == 0:
                verdict: Verdict = box.run(*UNSPLIT, entry_point="S")
                assert (verdict.passed, verdict.trust) == (True, "in_process"), verdict
            if number == max(1, wanted // 10):
                before = at_rest()
        after = at_rest()
    counted.update(first)
    grown = {
        pid: (before[pid], now)
        for pid, now in after.items()
        if pid in before and now[0] - before[pid][0] > GROWTH_BYTES
    }
    assert not grown, grown
    # The judge's session is another process after some hundred matrices: what counts is how many there are.
    assert descriptors(after) == descriptors(before)


def test_the_mix_holds_passes_and_failures_of_many_kinds(counted: Counter[str]) -> None:
    assert counted["passed"] >= 10
    assert {"failed", "exception", "syntax_error", "crashed", "memory"} <= set(counted)
