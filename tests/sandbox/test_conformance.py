"""One suite, run against every level of isolation that this host has."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox import CANARIES, LEVELS, Limits, Sandbox, SandboxError, SandboxUnavailable, Status, canaries, probe
from sandbox.box import AHEAD
from sandbox.probe import LOOK, NO_WAY_OUT

from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

ADD = "def add(a, b):\n    return a + b"
S = Status


@pytest.mark.parametrize(
    ("code", "test", "status"),
    [
        (ADD, "assert add(1, 2) == 3", S.PASSED),
        (ADD, "assert add(1, 2) == 4", S.FAILED),
        (ADD, "assert add(1, 'a') == 4", S.EXCEPTION),
        (ADD, "assert add(1, 2) = 3", S.SYNTAX_ERROR),
        ("def add(a, b)", "assert add(1, 2) == 3", S.SYNTAX_ERROR),
        ("raise KeyError(1)", "assert add(1, 2) == 3", S.EXCEPTION),
        ("", "assert add(1, 2) == 3", S.EXCEPTION),
        ("def add(a, b):\n    while True: pass", "assert add(1, 2) == 3", S.TIMEOUT),
        (ADD, "while True: pass", S.TIMEOUT),
        ("def add(a, b):\n    return [0] * 10**12", "assert add(1, 2) == 3", S.MEMORY),
        ("def add(a, b):\n    return 'x' * 10**8", "assert add(1, 2) == 3", S.OUTPUT),
        ("import os\ndef add(a, b):\n    os._exit(0)", "assert add(1, 2) == 3", S.CRASHED),
        (ADD, "import os\nos._exit(0)", S.CRASHED),
        (ADD, "raise SystemExit(0)", S.EXCEPTION),
        ("#" * 2**21, "assert True", S.REFUSED),
        (ADD, "#" * 2**21, S.REFUSED),
    ],
)
def test_an_execution_ends_in_the_status_that_says_what_happened(
    box: Sandbox, code: str, test: str, status: Status
) -> None:
    verdict = box.run(code, test, entry_point="add")
    assert verdict.status is status, verdict
    assert verdict.trust == "split"
    assert (verdict.wall_s >= 0, verdict.cpu_s >= 0, verdict.peak_rss_bytes >= 0) == (True, True, True)


def test_rows_are_codes_and_columns_are_tests(box: Sandbox) -> None:
    codes = [ADD, "def add(a, b):\n    return a - b", "def add(a, b"]
    tests = ["assert add(2, 0) == 2", "assert add(2, 2) == 4", "assert add(2, 2) == 0"]
    rows = box.run_matrix(codes, tests, entry_point="add")
    assert [[v.status.value for v in row] for row in rows] == [
        ["passed", "passed", "failed"],
        ["passed", "failed", "passed"],
        ["syntax_error"] * 3,
    ]


def test_a_cell_that_hangs_or_crashes_changes_no_other_cell(box: Sandbox) -> None:
    code = "import os\ndef f(x):\n    while x == 1: pass\n    if x == 3:\n        os._exit(0)\n    return x"
    tests = [f"assert f({x}) == {x}" for x in range(6)]
    row = box.run_matrix([code], tests, entry_point="f")[0]
    assert [v.status.value for v in row] == ["passed", "timeout", "passed", "crashed", "passed", "passed"]


@pytest.mark.parametrize(
    "endless",
    ["assert f(1) == sum(1 for _ in iter(int, 1))", "assert f(1) == 7 ** (7 ** 9) and pow(3, 10**9, 10**400000)"],
    ids=["interruptible", "in C"],
)
def test_a_plain_test_that_hangs_changes_no_other_cell(
    box: Sandbox, endless: str, caplog: pytest.LogCaptureFixture
) -> None:
    tests = ["assert f(1) == 1", endless, "assert f(2) == 2"]
    row = box.run_matrix(["def f(x):\n    return x"], tests, entry_point="f")[0]
    assert [v.status.value for v in row] == ["passed", "timeout", "passed"]
    assert not caplog.messages, "a test broke a jail"


def test_a_code_starts_every_test_as_it_was_after_loading(box: Sandbox) -> None:
    code = "seen = []\ndef f(x):\n    seen.append(x)\n    return len(seen)"
    row = box.run_matrix([code], ["assert f(1) == 1"] * 40, entry_point="f")[0]
    assert {v.status for v in row} == {S.PASSED}


def test_a_test_cannot_change_the_tests_after_it(box: Sandbox) -> None:
    tests = ["import builtins, math\nbuiltins.sorted = math.floor = None\nassert f(1) == 1"]
    tests += ["assert f(sorted([2, 1])) == [1, 2]", "import math\nassert f(math.floor(1.5)) == 1"]
    row = box.run_matrix(["def f(x):\n    return x"], tests, entry_point="f")[0]
    assert [v.status.value for v in row] == ["passed"] * 3


def test_the_same_seed_gives_the_same_numbers_to_code_and_test(box: Sandbox) -> None:
    code = "import random\nstart = random.random()\ndef f():\n    return start, random.random(), hash('a')"
    test = "import random\na, b, c = f()\nassert a == b == random.random()\nassert c == hash('a')"
    assert box.run(code, test, entry_point="f", seed=7).passed
    tests = [f"assert f()[1] == {number}" for number in (0.32383276483316237, 0.1)]
    assert [v.passed for v in box.run_matrix([code], tests, entry_point="f", seed=7)[0]] == [True, False]


def test_the_world_inside_is_the_same_every_time(box: Sandbox) -> None:
    code = (
        "import os, sys, time, locale\ndef f():\n    return time.tzname, sys.flags.utf8_mode, sys.getrecursionlimit()"
    )
    test = "assert f() == (('UTC', 'UTC'), 1, 1000), f()"
    verdict = box.run(code, test, entry_point="f")
    assert verdict.passed, verdict


def test_the_environment_of_the_caller_is_not_seen(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "x")
    with open_or_skip(box.level) as fresh:
        code = (
            "import os\ndef f():\n    return [n for n in os.environ if 'SECRET' in n or n in ('HOME', 'USER', 'PATH')]"
        )
        verdict = fresh.run(code, "assert f() == [], f()", entry_point="f")
    assert verdict.passed, verdict


def test_no_canary_passes(box: Sandbox) -> None:
    tests = canaries("add(1, 2)")
    row = box.run_matrix([ADD], tests, entry_point="add")[0]
    assert len(row) == len(CANARIES)
    assert not [v for v in row if v.passed]


def test_many_threads_get_their_own_verdicts(box: Sandbox) -> None:
    def one(number: int) -> bool:
        verdict = box.run(f"def f():\n    return {number}", f"assert f() == {number - number % 2}", entry_point="f")
        return verdict.passed == (number % 2 == 0)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(one, range(24)))


def test_an_isolated_level_leaves_no_way_out(box: Sandbox) -> None:
    if box.level == "none":
        pytest.skip("level none isolates nothing, and says so")
    verdict = box.run(LOOK, NO_WAY_OUT, entry_point="look")
    assert verdict.passed, verdict


def test_a_test_that_breaks_the_compiler_harms_only_itself(box: Sandbox) -> None:
    tests = ["assert f() == 1", "x = " + "-" * 200000 + "1", "assert f() == 2"]
    row = box.run_matrix(["def f():\n    return 1"], tests, entry_point="f")[0]
    assert [v.status for v in (row[0], row[2])] == [S.PASSED, S.FAILED]
    assert row[1].status in (S.SYNTAX_ERROR, S.CRASHED)


def test_an_empty_matrix_has_empty_rows(box: Sandbox) -> None:
    assert box.run_matrix([], ["assert True"], entry_point="f") == []
    assert box.run_matrix([ADD], [], entry_point="add") == [[]]


def test_the_probe_names_every_level_and_agrees_with_what_starts() -> None:
    report = probe()
    assert tuple(rung.level for rung in report.rungs) == LEVELS
    for rung in report.rungs:
        assert rung.why
        if rung.works:
            open_or_skip(rung.level).close()
        else:
            assert rung.help
            with pytest.raises(SandboxUnavailable):
                Sandbox(level=rung.level)


def test_rows_come_as_they_are_finished_and_codes_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def codes() -> Iterator[str]:
        for number in range(40):
            taken.append(number)
            yield f"def f():\n    return {number}"

    with open_or_skip("bwrap", workers=2) as box:
        seen: dict[int, bool] = {}
        for number, row in box.rows(codes(), ["assert f() % 2 == 0"], entry_point="f"):
            assert len(taken) <= len(seen) + 2 * AHEAD + 2
            seen[number] = row[0].passed
    assert seen == {number: number % 2 == 0 for number in range(40)}


def test_a_code_that_keeps_timing_out_is_given_up_where_that_was_asked_for() -> None:
    code = "def f(x):\n    while x % 2: pass\n    return x"
    tests = [f"assert f({x}) == {x}" for x in range(8)]
    with open_or_skip("bwrap", limits=Limits(wall_s=0.5, cpu_s=1)) as box:
        row = box.run_matrix([code], tests, entry_point="f", give_up_after=2)[0]
    assert [v.status.value for v in row] == ["passed", "timeout", "passed", *["timeout"] * 5]
    assert [("not run" in v.detail) for v in row] == [False] * 4 + [True] * 4


def test_the_threads_that_are_allowed_fit_into_the_memory_that_is_allowed(box: Sandbox) -> None:
    code = (
        "import threading, time\ndef f(n):\n    sleepers = []\n    for _ in range(n):"
        "\n        sleepers.append(threading.Thread(target=time.sleep, args=(0.2,)))"
        "\n    for s in sleepers:\n        s.start()\n    for s in sleepers:\n        s.join()\n    return n"
    )
    with open_or_skip(box.level, limits=Limits()) as roomy:
        verdict = roomy.run(code, "assert f(40) == 40", entry_point="f")
    assert verdict.passed, verdict


def test_a_closed_sandbox_says_so() -> None:
    box = open_or_skip("none")
    box.close()
    box.close()
    with pytest.raises(SandboxError, match="closed"):
        box.run(ADD, "assert True", entry_point="add")


@pytest.mark.parametrize(("workers", "level"), [(0, "auto"), (1, "docker")])
def test_nonsense_is_refused_at_once(workers: int, level: str) -> None:
    with pytest.raises(ValueError, match=r"workers|level"):
        Sandbox(workers=workers, level=level)
