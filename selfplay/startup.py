"""From a command line to a running loop: everything is checked before anything is written.

Order: config, benchmarks, problems, sandbox, model (downloaded if need be), lock, database. A `UserError` from any of
the first five leaves no trace in the run's folder.
"""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import Path

import platformdirs
from rich.console import Console

from sandbox import Limits, Sandbox
from selfplay import benchmark, config, models, problems, retention, session, track, track_rounds
from selfplay.benchmark_files import DATA_DIR_VARIABLE
from selfplay.benchmark_task import Task
from selfplay.config import Config
from selfplay.dashboard import Dashboard
from selfplay.engines import Engines, Weights
from selfplay.errors import UserError
from selfplay.generate import VllmGenerator
from selfplay.machine import preset_for
from selfplay.progress import LogTail, Progress
from selfplay.resources import Resources
from selfplay.room import serves_merged
from selfplay.rounds import Loop, Tools
from selfplay.sections import Keep
from selfplay.session import Session
from selfplay.terminal import RunLog, ScreenLog
from selfplay.train import train
from selfplay.view import snapshot
from state.records import Problem, Run

log = logging.getLogger(__name__)


MakeTools = Callable[[Session, Sandbox, Resources], Tools]
"""Makes what a loop works with, once its run is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the command line says."""

    rounds: int
    run: str
    runs_dir: Path
    preset: str | None = None
    model: str | None = None
    problems: str | None = None
    overrides: tuple[str, ...] = ()


def data_dir(settings: Config) -> Path | None:
    """Return the folder of benchmark files that the user keeps, if there is one: the config's, or the environment's."""
    value = settings.benchmark.data_dir or os.environ.get(DATA_DIR_VARIABLE)
    return Path(value).expanduser() if value else None


def cache_dir() -> Path:
    """Return the folder of downloaded and converted models."""
    value = os.environ.get("SELFPLAY_CACHE_DIR")
    return Path(value).expanduser() if value else Path(platformdirs.user_cache_dir("selfplay"))


def resolve_config(wanted: Wanted, stored: Run | None) -> Config:
    """Return the config asked for: the stored one of a run that goes on, else a preset with the command line on top.

    Raises:
        UserError: No such preset, key or value.
    """
    source = wanted.problems
    if source is not None and (Path(source).exists() or source.endswith((".jsonl", ".jsonl.gz"))):
        source = str(Path(source).expanduser().absolute())
    asked = {"model.name": wanted.model, "problems.source": source}
    if stored is None:
        preset = preset_for() if wanted.preset in (None, "auto") else wanted.preset
        return config.load(preset, wanted.overrides, **asked)
    before = config.from_json(stored.config)
    if wanted.preset is None and not wanted.overrides and not any(asked.values()):
        return before
    preset = before.preset if wanted.preset in (None, "auto") else wanted.preset
    return config.load(preset, wanted.overrides, **asked)


def load_problems(settings: Config, tasks: dict[str, tuple[Task, ...]], folder: Path) -> tuple[Problem, ...]:
    """Return the run's problems; those that overlap with a benchmark task are marked as dropped.

    A run that has begun needs its source no more: where the file is gone, or would have to be fetched again, the
    problems come out of its database in `folder`.

    Raises:
        UserError: The source cannot be used, or nothing is left of it.
        StoreError: The database cannot be used.
    """
    source = settings.problems.source
    if not problems.is_here(source, data_dir(settings)) and (kept := session.kept_problems(folder, source)):
        log.info("%s is not here: the run goes on with the problems in its database", source)
        return kept
    found = problems.load(source, data_dir=data_dir(settings))
    if settings.problems.decontaminate:
        from selfplay import decontaminate  # scipy comes with it: half a second that other starts can spare

        overlaps = decontaminate.overlaps(found, [task for name in tasks for task in tasks[name]])
        found = tuple(replace(problem, dropped=overlaps.get(problem.id)) for problem in found)
        if overlaps:
            log.info("%d of %d problems are near a benchmark task and are left out", len(overlaps), len(found))
    if all(problem.dropped is not None for problem in found):
        raise UserError(f"every problem of {source} is near a benchmark task; nothing is left to learn from")
    return found


def load_tasks(settings: Config) -> dict[str, tuple[Task, ...]]:
    """Return the tasks of every benchmark of the run, by name.

    Raises:
        UserError: Unknown benchmark, or its data cannot be found.
    """
    section = settings.benchmark
    both = set(section.gate) & set(section.audit)
    if both:
        raise UserError(
            f"benchmark.audit: {', '.join(sorted(both))} is a gate benchmark too; an audit must not be read by the gate"
        )
    names = [*section.gate, *section.audit]
    if not section.gate:
        raise UserError("benchmark.gate is empty: name at least one benchmark that decides")
    return {name: benchmark.load(name, data_dir=data_dir(settings), limit=section.limit) for name in names}


def data_sha256(found: Sequence[Problem], tasks: dict[str, tuple[Task, ...]]) -> str:
    """Return one hash of everything that the run reads: problems and benchmark tasks."""
    parts = {
        "problems": problems.data_sha256(found),
        **{name: benchmark.data_sha256(tasks[name]) for name in sorted(tasks)},
    }
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def open_sandbox(settings: Config, stack: ExitStack) -> Sandbox:
    """Start the sandbox.

    Raises:
        UserError: This host offers no isolation at the level asked for.
    """
    section = settings.sandbox
    limits = Limits(wall_s=section.wall_s, cpu_s=section.cpu_s, memory_bytes=section.memory_bytes)
    workers = section.workers or len(os.sched_getaffinity(0))
    box = Sandbox(workers=workers, level=section.level, limits=limits, libraries=section.libraries)
    return stack.enter_context(box)


def vllm_generator(current: Session, scratch: Path | None = None) -> Callable[[Weights], VllmGenerator]:
    """Return what starts a model process that serves given weights for this run.

    Args:
        current: The run; the caller holds its lock.
        scratch: Folder for merged weights that the run does not have; None is the run's own.
    """
    section, keep, logs = current.config.generate, current.config.keep, current.folder / "logs"
    merged = serves_merged(section)

    def start(weights: Weights) -> VllmGenerator:
        for name in ("merge.log", "generate.log"):
            retention.rotate(logs / name, keep)
        model, adapter = current.model.folder, weights.adapter
        if adapter is not None and merged:
            model = current.folder / "merged" / weights.id
            if scratch is not None and not model.exists():
                model = scratch / weights.id
            if not model.exists():
                log.info("merging adapter %s into the base weights", weights.id)
                deadline_s = current.config.watchdog.start_s
                models.merge(current.model.folder, adapter, model, log=logs / "merge.log", deadline_s=deadline_s)
            adapter = None
        max_len, watchdog = current.config.model.max_len, current.config.watchdog
        return VllmGenerator(model, adapter, section, max_len, logs / "generate.log", cache_dir(), watchdog)

    return start


@contextmanager
def opened(
    folder: Path,
    settings: Config,
    find_model: Callable[[], models.ModelFiles],
    *,
    rounds: int,
    console: Console,
    make_tools: MakeTools | None = None,
) -> Iterator[Loop]:
    """Open a run and everything it needs; close all of it at the end, however it ends.

    Args:
        folder: The run's folder.
        settings: The resolved config.
        find_model: Returns the base model's files, fetched if need be; called once all else is known to work.
        rounds: Rounds that the run shall have; kept for those who look on.
        console: Where the dashboard is drawn, if it is a terminal.
        make_tools: What the loop works with; None is the real thing.
    """
    with ExitStack() as stack:
        track.check(settings.track)
        tasks = load_tasks(settings)
        found = load_problems(settings, tasks, folder)
        box = open_sandbox(settings, stack)
        model = find_model()
        stack.enter_context(session.private())
        stack.enter_context(session.owned(folder))
        current = session.open_run(
            folder,
            settings=settings,
            model=model,
            problems=found,
            tasks=tasks,
            data_sha256=data_sha256(found, tasks),
            sandbox_level=box.level,
            rounds=rounds,
        )
        stack.enter_context(current.store)
        tail = stack.enter_context(_logging(folder / "logs" / "run.log", settings.keep, console))
        retention.tidy(current)
        track_rounds.tell(current)
        resources = stack.enter_context(Resources())
        tools = (make_tools or real_tools)(current, box, resources)
        stack.callback(tools.engines.close)
        progress = Progress(rounds=rounds, overviews=tuple(current.store.rounds_overview()))
        stack.enter_context(_stop_on_signal(progress))
        loop = Loop(current, tools, progress)
        stack.callback(loop.scorer.close)
        stack.enter_context(Dashboard(console, lambda: snapshot(current, progress, resources, tail, box.level)))
        yield loop


def real_tools(current: Session, box: Sandbox, resources: Resources) -> Tools:
    """Return vLLM, TRL and the sandbox, as the product uses them."""
    return Tools(
        engines=Engines(vllm_generator(current)),
        train=partial(
            train, watchdog=current.config.watchdog, curves=track.curves(current.folder, current.config.track)
        ),
        box=box,
        peak_memory=resources.take_peak,
    )


@contextmanager
def _logging(path: Path, keep: Keep, console: Console) -> Iterator[LogTail]:
    """Send log lines to the run's log, to the dashboard's tail, and to the screen where there is no dashboard."""
    root = logging.getLogger()
    form = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    tail = LogTail()
    file = RunLog(path, maxBytes=keep.log_bytes, backupCount=keep.logs, encoding="utf-8")
    handlers: list[logging.Handler] = [file, tail]
    if not console.is_terminal:
        handlers.append(ScreenLog())
    for handler in handlers:
        handler.setFormatter(form)
        root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield tail
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


@contextmanager
def _stop_on_signal(progress: Progress) -> Iterator[None]:
    """Turn the first SIGINT or SIGTERM into a request to stop; the second one ends the process at once.

    The end of the terminal (SIGHUP) is a request to stop as well, unless that was to be ignored (`nohup`).
    """

    def handler(number: int, _frame: object) -> None:
        if number == signal.SIGHUP and progress.stop:  # the shell and the kernel may both have sent one
            return
        if progress.stop:
            raise KeyboardInterrupt
        progress.stop = True
        progress.message = "stopping after the unit of work in hand (again: at once)"
        log.warning("signal %d: stopping after the unit of work in hand; a second signal stops at once", number)

    numbers = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        numbers.remove(signal.SIGHUP)
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
