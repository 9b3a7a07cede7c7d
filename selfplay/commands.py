"""What each command does, and the exit code it ends with.

0  done, or stopped on request: the same command continues
1  the answer is no: `verify` found a disagreement, `doctor` found something that stops a run
2  the request cannot be carried out as asked; nothing was written
3  the machine failed; everything finished so far is kept, the same command continues
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from sandbox import SandboxError, SandboxUnavailable, Status
from selfplay import config, models, startup
from selfplay.doctor import checkup
from selfplay.errors import HostError, UserError
from selfplay.progress import StopRequested
from selfplay.recover import recover
from selfplay.rounds import Loop
from selfplay.session import DATABASE, run_folder, stored_run
from selfplay.startup import Wanted
from selfplay.status import render_status
from selfplay.terminal import tell
from state import StoreError
from state.records import Pair, Problem, Run, Sample
from state.store import Store

log = logging.getLogger(__name__)

OK, NO, USER, HOST = 0, 1, 2, 3
MACHINE_FAILED = (HostError, SandboxError, StoreError)


def run_rounds(wanted: Wanted, play: Callable[[Loop, int], None]) -> int:
    """Run the loop until `wanted.rounds` rounds are finished."""
    return guarded(lambda: _run_rounds(wanted, play))


def _run_rounds(wanted: Wanted, play: Callable[[Loop, int], None]) -> int:
    console = Console(stderr=True)
    folder = run_folder(wanted.runs_dir, wanted.run)
    settings = startup.resolve_config(wanted, stored_run(folder))
    find_model = partial(find_base, settings, console)
    return play_run(folder, settings, find_model, wanted.rounds, console, play)


def play_run(
    folder: Path,
    settings: config.Config,
    find_model: Callable[[], models.ModelFiles],
    rounds: int,
    console: Console,
    play: Callable[[Loop, int], None],
    make_tools: startup.MakeTools | None = None,
) -> int:
    """Open the run in `folder`, play it, and show what came of it; arguments as for `startup.opened`."""
    with startup.opened(folder, settings, find_model, rounds=rounds, console=console, make_tools=make_tools) as loop:
        try:
            play(loop, rounds)
        except (StopRequested, KeyboardInterrupt):
            log.info("stopped; continue with the same command")
            loop.progress.message = "stopped; continue with the same command"
            return OK
        except (*MACHINE_FAILED, OSError) as error:
            log.error("the run stops: %s", error)  # noqa: TRY400  (the message is the explanation)
            raise
        overviews, run, found = loop.store.rounds_overview(), loop.session.run, loop.store.all(Problem)
        left_out = loop.store.left_out()
    tell(Console(), render_status(overviews, run, found, left_out))
    return OK


def find_base(settings: config.Config, console: Console) -> models.ModelFiles:
    """Find the base model's files, showing what is fetched: a bar on a terminal, a line elsewhere."""
    with _bar(console) as bar:
        rows: dict[str, TaskID] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in rows:
                for row in bar.task_ids:  # what was going on before is over
                    bar.remove_task(row)
                rows[what] = bar.add_task(what, total=total)
                if total is not None and not console.is_terminal:
                    console.print(f"{what} ({total / 1e6:.0f} MB)")
            bar.update(rows[what], completed=done, total=total)

        return models.resolve(settings.model.name, settings.model.revision, cache=startup.cache_dir(), progress=show)


def _bar(console: Console) -> Progress:
    """Return a progress display of bytes; work without a known size is shown by its moving bar alone."""
    sized: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
    columns = [TextColumn("{task.description}"), BarColumn(), *map(OfKnownSize, sized)]
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class OfKnownSize(ProgressColumn):
    """Another column, left empty for work whose size is not known."""

    def __init__(self, column: ProgressColumn) -> None:
        super().__init__()
        self.column = column

    def render(self, task: Task) -> RenderableType:
        """Return what the column shows of a task."""
        return Text() if task.total is None else self.column.render(task)


def show_status(name: str, runs_dir: Path) -> int:
    """Print the rounds of a run."""

    def show() -> int:
        with stored(name, runs_dir) as store:
            run, found, left_out = store.all(Run)[0], store.all(Problem), store.left_out()
            Console().print(render_status(store.rounds_overview(), run, found, left_out))
        return OK

    return guarded(show)


def verify_pairs(name: str, runs_dir: Path) -> int:
    """Run every pair of a run again in the sandbox."""
    return guarded(lambda: _verify(name, runs_dir))


def _verify(name: str, runs_dir: Path) -> int:
    console = Console()
    with stored(name, runs_dir) as store, ExitStack() as stack:
        settings = config.from_json(store.all(Run)[0].config)
        box = startup.open_sandbox(settings, stack)
        entry_points = {problem.id: problem.entry_point or "" for problem in store.all(Problem)}
        pairs = store.all(Pair)
        wrong = 0
        for pair in pairs:
            for side, code_id, test_id, wants_pass in (
                ("chosen", pair.chosen_code_id, pair.chosen_test_id, True),
                ("rejected", pair.rejected_code_id, pair.rejected_test_id, False),
            ):
                code, test = store.get(Sample, code_id), store.get(Sample, test_id)
                if code is None or test is None:
                    raise StoreError(
                        f"{name}: pair {pair.id} names a sample that is not there; the database is damaged"
                    )
                verdict = box.run(code.source, test.source, entry_point=entry_points[pair.problem_id], seed=0)
                if (verdict.status is Status.PASSED) is not wants_pass:
                    wrong += 1
                    console.print(
                        f"pair {pair.id}: the {side} code {code_id} gives {verdict.status.value} on test {test_id}, "
                        f"but should {'pass' if wants_pass else 'fail'}"
                    )
        console.print(f"{name}: {len(pairs)} pairs, {2 * len(pairs)} executions, {wrong} disagreements")
    return NO if wrong else OK


def recover_run(name: str, runs_dir: Path) -> int:
    """Make a damaged run runnable again, and say what is lost."""

    def mend() -> int:
        console = Console(soft_wrap=True)
        for line in recover(run_folder(runs_dir, name)):
            console.print(line, markup=False, highlight=False)
        console.print("Continue with the same command as before.")
        return OK

    return guarded(mend)


def stored(name: str, runs_dir: Path) -> Store:
    """Return the database of a run that has begun, for reading.

    Raises:
        UserError: There is none.
    """
    folder = run_folder(runs_dir, name)
    if not (folder / DATABASE).exists():
        known = sorted(path.parent.name for path in folder.parent.glob(f"*/{DATABASE}"))
        raise UserError(
            f"there is no run {name!r} in {folder.parent}; "
            + (f"there are {', '.join(known)}" if known else "it holds no run")
        )
    store = Store.open(folder / DATABASE, create=False, read_only=True)
    if not store.all(Run):
        store.close()
        raise UserError(f"run {name!r} has not begun")
    return store


def examine(preset: str | None, runs_dir: Path) -> int:
    """Print what this machine can and cannot do."""

    def show() -> int:
        console = Console()
        checks = checkup(preset, runs_dir, startup.cache_dir())
        table = Table.grid(padding=(0, 2))
        for check in checks:
            mark, style = {"ok": ("ok", "green"), "note": ("note", "yellow"), "stop": ("STOP", "bold red")}[check.level]
            table.add_row(Text(mark, style), Text(check.name, "bold"), Text(check.fact))
            if check.advice:
                table.add_row("", "", Text(check.advice, "dim"))
        console.print(table)
        stops = sum(check.level == "stop" for check in checks)
        console.print(
            "A run can work here."
            if not stops
            else f"A run cannot work here: {stops} of the lines above must be mended first."
        )
        return NO if stops else OK

    return guarded(show)


def guarded(command: Callable[[], int]) -> int:
    """Run a command; turn what can go wrong into one line on the screen and an exit code."""
    try:
        return command()
    except (UserError, SandboxUnavailable) as error:
        return _say(error, USER)
    except MACHINE_FAILED as error:
        return _say(error, HOST)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        return _say(
            HostError(
                f"the machine refused: {error.strerror or error}{where}; free what it lacks and repeat the command"
            ),
            HOST,
        )
    except KeyboardInterrupt:
        return OK


def _say(error: Exception, code: int) -> int:
    tell(Console(stderr=True, soft_wrap=True), Text.assemble(("error: ", "bold red"), str(error)))
    return code
