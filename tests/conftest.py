"""Settings for every test, and which tests share a process: the suite runs in two processes at a time.

A unit is what one process runs in order: the tests of a file, those of a file at one level of isolation, or

models    what starts a real model in a process of its own: two would want more memory than a small machine has
uid       what may use the sandbox's private user ids, which are the same in every process
alone     what loads the whole machine: everything else waits meanwhile
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from sandbox import Limits, Sandbox, SandboxUnavailable
from selfplay.grading import Grader
from state.store import Store

from .leftovers import processes

# The machine is shared: how long an example takes says nothing about the code.
settings.register_profile("selfplay", deadline=None)
settings.load_profile("selfplay")

UNITS = {
    "test_e2e.py": "models",
    "test_exported_models.py": "models",
    "test_generate.py": "models",
    "test_ladder.py": "uid",
    "test_overload.py": "alone",
}
FIRST = ("models", "test_hostile.py", "uid")
"""Units that take long, the longest first, so that no process ends long before the other."""
TURNS = "SELFPLAY_TEST_TURNS"
"""Variable that names the folder of the locks by which tests wait for each other."""


def unit(nodeid: str) -> str:
    """Return the name of the unit that a test is part of."""
    path, _, test = nodeid.partition("::")
    file = path.rpartition("/")[2]
    if file in UNITS:
        return UNITS[file]
    level = re.search(r"\[(bwrap|uid|landlock|none)[-\]]", test)
    if level is None:
        return "uid" if "probe" in test else file
    return "uid" if level[1] == "uid" else f"{file} {level[1]}"


def place(name: str) -> int:
    """Return where a unit stands in the order: the long ones first, what is alone last."""
    if name == "alone":
        return len(FIRST) + 1
    return next((number for number, start in enumerate(FIRST) if name.startswith(start)), len(FIRST))


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the locks, in the process that starts the others."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="selfplay-turns-")
        os.environ[TURNS] = folder.name
        config.add_cleanup(folder.cleanup)


class UnitScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each process a unit at a time. The scheduling by marks loses them with pytest 9.2 (pytest-xdist #1386)."""

    def _split_scope(self, nodeid: str) -> str:
        return unit(nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> UnitScheduling:
    """Return what hands tests out."""
    return UnitScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the units into their order, each in one piece."""
    names = [unit(item.nodeid) for item in items]
    seen = {name: number for number, name in reversed(list(enumerate(names)))}
    items.sort(key=lambda item: (place(unit(item.nodeid)), seen[unit(item.nodeid)]))


@contextlib.contextmanager
def _held(lock: str, how: int) -> Iterator[None]:
    with (Path(os.environ[TURNS]) / lock).open("w") as file:
        fcntl.flock(file, how)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)  # closing would not do where a child still has the file


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test that is alone wait for those that run, and all others wait for it; see that a unit stays together."""
    name = unit(item.nodeid)
    owner = Path(os.environ[TURNS]) / name
    with contextlib.suppress(FileExistsError), owner.open("x") as file:
        file.write(str(os.getpid()))
    with contextlib.ExitStack() as held:
        with _held("queue", fcntl.LOCK_EX):  # nobody overtakes a test that waits to be alone
            held.enter_context(_held("machine", fcntl.LOCK_EX if name == "alone" else fcntl.LOCK_SH))
        assert owner.read_text() == str(os.getpid()), f"the unit {name} runs in two processes"
        return (yield)


@pytest.fixture(scope="module", autouse=True)
def _its_processes_end() -> Iterator[None]:
    """See that the tests of a module leave no process behind."""
    before = processes()
    yield
    deadline = time.monotonic() + 10.0
    while (left := processes() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left, [psutil.Process(pid).cmdline() for pid in left]


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    """Grades in a sandbox of the level that this host has."""
    try:
        box = Sandbox(workers=1, limits=Limits(wall_s=4.0, cpu_s=4))
    except SandboxUnavailable as error:
        pytest.skip(str(error))
    with box:
        made = Grader(box, longest_s=60.0)
        yield made
        made.close()


@pytest.fixture(scope="session")
def _promoted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests import scripted_loop

    runs = tmp_path_factory.mktemp("promoted")
    settings = ("benchmark.limit=20", "gate.alpha=0.3", "gate.curtail=true")
    scripted_loop.run(runs, "a", 2, overrides=settings, adapter_skill=0.75)
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        rounds = [(turn.outcome, turn.pairs > 0) for turn in store.rounds_overview()]
    assert rounds == [("promoted", True), ("kept", True)], "the script plays differently: choose another skill"
    return runs


@pytest.fixture
def promoted(_promoted: Path, tmp_path: Path) -> Path:
    """A runs folder of the test's own with a finished scripted run, `a`: round 1 promoted, round 2 cut short."""
    runs = tmp_path / "promoted"
    shutil.copytree(_promoted, runs)
    return runs
