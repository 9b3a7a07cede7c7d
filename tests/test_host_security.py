"""What the host keeps to itself: secrets of the environment, the run's files, and the interpreter of the loop."""

from __future__ import annotations

import ast
import contextlib
import os
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sandbox import Sandbox
from selfplay.download import _pip_environment
from selfplay.worker import Worker
from tests.sandbox.conftest import open_or_skip
from tests.test_layers import sources

ROOT = Path(__file__).parent.parent
MARK = "planted-7f3a"
SECRETS = {
    name: f"{MARK}-{name}"
    for name in (
        "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "SSH_AUTH_SOCK", "GITHUB_TOKEN", "OPENAI_API_KEY", "WANDB_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS",
        "DATABASE_URL", "MY_OWN_SECRET",
    )
}  # fmt: skip


COPY_S = 5.0
"""Longest time from fork to exec, on a busy machine."""


def environ(process: psutil.Process) -> str:
    """Return the environment that a process was started with; "" where it has ended or is not ours to look at."""
    try:
        return Path(f"/proc/{process.pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return ""


@dataclass(frozen=True)
class Watched:
    """A scripted run that was started with secrets, and looked at while it ran."""

    folder: Path
    processes: int
    """Different ones seen below the loop's."""
    told: frozenset[str]
    """Environments that held a secret."""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    runs = tmp_path_factory.mktemp("watched")
    command = [sys.executable, "-m", "tests.scripted_loop", str(runs), "a", "1"]
    loop = psutil.Popen(command, cwd=ROOT, env=os.environ | SECRETS, stderr=subprocess.DEVNULL)
    planted, found, forked = False, dict[int, str](), dict[int, float]()
    while loop.poll() is None:
        planted = planted or MARK in environ(loop)
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in loop.children(recursive=True):
                since = forked.setdefault(child.pid, time.monotonic())
                # Between fork and exec a child is a copy of the loop; one that stays so is not excused. The command is
                # read first: whoever becomes another program meanwhile has its new environment by then.
                copy = child.cmdline() == loop.cmdline() and time.monotonic() - since < COPY_S
                if not copy and (text := environ(child)):
                    found[child.pid] = text
        time.sleep(0.05)
    assert loop.returncode == 0
    assert planted, "or nothing is shown"
    return Watched(runs / "a", len(found), frozenset(text for text in found.values() if MARK in text))


def test_no_process_below_the_loop_has_a_secret_of_its_environment(watched: Watched) -> None:
    assert watched.processes > 5, "jails of the loop's sandboxes"
    assert watched.told == frozenset()


def test_no_secret_is_stored(watched: Watched) -> None:
    files = [path for path in watched.folder.rglob("*") if path.is_file()]
    assert not [str(path) for path in files if MARK.encode() in path.read_bytes()]


def test_a_runs_folder_holds_nothing_that_python_or_a_shell_would_run(watched: Watched) -> None:
    files = [path for path in watched.folder.rglob("*") if path.is_file()]
    assert files
    assert {path.suffix for path in files} <= {"", ".db", ".log", ".json", ".safetensors", ".jinja"}
    assert not [path for path in files if path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)]


def test_no_other_user_can_look_into_a_runs_folder(watched: Watched) -> None:
    assert not [path for path in (watched.folder, *watched.folder.rglob("*")) if path.stat().st_mode & 0o077]


def test_no_model_process_has_a_secret_not_even_the_hubs_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "script.json").write_text('[{"die_after": null, "how": "crash"}]')
    job = {"model": str(tmp_path), "max_num_seqs": 1}
    with Worker("tests.scripted_engine", job, log=tmp_path / "log") as worker:
        assert next(worker.messages())["ready"]
        text = environ(psutil.Process(worker.pid))
    assert "PATH=" in text
    assert MARK not in text


def test_pip_gets_its_mirrors_and_proxies_and_no_other_services_token(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"PIP_INDEX_URL": "u", "https_proxy": "p", "UV_INDEX_URL": "u", "SSL_CERT_FILE": "c", "PATH": "/bin"}
    for name, value in (SECRETS | needed).items():
        monkeypatch.setenv(name, value)
    found = _pip_environment()
    assert found.items() >= needed.items()
    assert not SECRETS.keys() & found.keys()


SPY = """
import glob, os
def f():
    found = [repr(dict(os.environ))]
    paths = ["/proc/1/environ", "/proc/self/environ", "/proc/%d/environ" % os.getppid()]
    for path in [*glob.glob("/proc/*/environ"), *paths]:
        try:
            with open(path, "rb") as stream:
                found.append(stream.read().decode(errors="replace"))
        except OSError:
            pass
    return "".join(found)
"""


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.isolation
@pytest.mark.usefixtures("secrets")
@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_code_in_the_sandbox_finds_no_secret(level: str) -> None:
    with open_or_skip(level) as box:
        assert_finds_nothing(box)


def assert_finds_nothing(box: Sandbox) -> None:
    absent = box.run(SPY, f"assert {MARK!r} not in f(), f()", entry_point="f")
    assert absent.passed, absent
    told = box.run(SPY, "assert 'PYTHONHASHSEED' in f(), f()", entry_point="f")
    assert told.passed, "or the spy is blind"


UNSAFE_MODULES = frozenset({"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "runpy", "imp"})
UNSAFE_CALLS = frozenset({"eval", "exec", "execfile"})
UNSAFE_METHODS = {("torch", "load"), ("np", "load"), ("numpy", "load"), ("yaml", "load")}
FOR_THE_SANDBOX = frozenset({"selfplay/evalplus_check.py", "selfplay/evalplus_known.py"})
"""Texts of programs, kept as modules so that they are linted; they run in the judge's jail only."""


def unsafe(root: Path) -> list[str]:
    """Return where the loop would run, import or unpickle what lies in a file or came from a model."""
    found = []
    for name in sources(root):
        if name.startswith("sandbox/harness/") or name in FOR_THE_SANDBOX:
            continue
        for node in ast.walk(ast.parse((root / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names]
                found += [f"{name}:{node.lineno} {m}" for m in modules if m.partition(".")[0] in UNSAFE_MODULES]
            elif isinstance(node, ast.Call):
                function = node.func
                bare = isinstance(function, ast.Name) and function.id in UNSAFE_CALLS
                of_module = (
                    isinstance(function, ast.Attribute)
                    and isinstance(function.value, ast.Name)
                    and (function.value.id, function.attr) in UNSAFE_METHODS
                )
                trusting = any(word.arg == "trust_remote_code" for word in node.keywords)
                if bare or of_module or trusting:
                    found.append(f"{name}:{node.lineno}")
    return found


def test_the_loop_neither_unpickles_nor_evaluates_anything() -> None:
    assert unsafe(ROOT) == []


@pytest.mark.parametrize(
    "line", ["import pickle", "from joblib import load", "eval(text)", "torch.load(path)", "f(trust_remote_code=True)"]
)
def test_a_planted_fault_is_found(tmp_path: Path, line: str) -> None:
    (tmp_path / "selfplay").mkdir()
    (tmp_path / "selfplay" / "a.py").write_text(line)
    assert len(unsafe(tmp_path)) == 1
