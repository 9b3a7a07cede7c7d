"""`Sandbox`: hands executions to its workers."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, wait
from itertools import islice
from operator import itemgetter
from types import TracebackType
from typing import Self

from .cells import Matrix
from .jail import FIRST_PRIVATE_UID, JailDied
from .libraries import entries
from .probe import unavailable
from .verdicts import LEVELS, Limits, SandboxError, SandboxUnavailable, Verdict
from .worker import JAILS, Worker

Row = list[Verdict]
AHEAD = 4
"""Rows that are handed out for each worker."""
Task = tuple[Callable[[Worker], Row], "Future[Row]"]


class Sandbox:
    """Runs codes against tests in workers of its own.

    `run` and `run_matrix` may be called from many threads. The level of isolation is fixed when it is made.
    """

    def __init__(
        self,
        workers: int = 2,
        level: str = "auto",
        limits: Limits | None = None,
        libraries: tuple[str, ...] = (),
    ) -> None:
        """Start the workers.

        Args:
            workers: Executions at a time, at least 1.
            level: "auto", or a level of isolation by name; "none" is never chosen by "auto".
            limits: What one execution may use.
            libraries: Packages that code and tests may import beyond the standard library, as they are imported. They
                are loaded beforehand, in jails of their own that start when first needed.

        Raises:
            ValueError: No such level, or no workers.
            SandboxUnavailable: This host does not have that level or library; the message says what would help.
        """
        if workers < 1:
            raise ValueError("workers must be at least 1")
        if level not in ("auto", *LEVELS):
            raise ValueError(f"level must be one of auto, {', '.join(LEVELS)}; not {level!r}")
        self._level = "bwrap" if level == "auto" else level
        self._limits = limits or Limits()
        self._libraries = libraries
        entries(libraries)
        self._workers: list[Worker] = []
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._closed = False
        ready: list[Future[None]] = [Future() for _ in range(workers)]
        self._threads = [
            threading.Thread(target=self._work, args=(i, future), name=f"sandbox-{i}", daemon=True)
            for i, future in enumerate(ready)
        ]
        for thread in self._threads:
            thread.start()
        try:
            for future in ready:
                future.result()
        except JailDied as error:
            self._end_threads()
            raise SandboxUnavailable(unavailable(self._level, str(error))) from error

    @property
    def level(self) -> str:
        """The level of isolation in force."""
        return self._level

    @property
    def limits(self) -> Limits:
        """What one execution may use."""
        return self._limits

    @property
    def libraries(self) -> tuple[str, ...]:
        """Packages that may be imported beyond the standard library."""
        return self._libraries

    @property
    def reruns(self) -> int:
        """Executions so far that ran out of time on a host that may have been busy, and were given more."""
        return sum(worker.reruns for worker in self._workers)

    @property
    def executions(self) -> int:
        """Executions finished so far, repeated ones counted each time."""
        return sum(worker.executions for worker in tuple(self._workers))

    def end_jails(self) -> None:
        """End everything that is running, from any thread: each execution in flight is tried once more in new jails.

        For a watchdog. One that had been tried twice fails with `SandboxError`; no verdict is made up for it.
        """
        for worker in tuple(self._workers):
            worker.end_jails()

    def run(self, code: str, test: str, *, entry_point: str, seed: int = 0) -> Verdict:
        """Return the verdict of one code against one test.

        Args:
            code: Python source that defines `entry_point`.
            test: Python source that uses it and raises on failure.
            entry_point: The name that the test calls.
            seed: Seed of `random` on both sides.

        Raises:
            SandboxError: The host failed twice.
        """
        return self.run_matrix([code], [test], entry_point=entry_point, seed=seed)[0][0]

    def run_matrix(
        self,
        codes: Sequence[str],
        tests: Sequence[str],
        *,
        entry_point: str,
        seed: int = 0,
        give_up_after: int | None = None,
    ) -> list[list[Verdict]]:
        """Return the verdicts of every code against every test: `rows[j][k]` is code j, test k.

        Args:
            codes: Python sources.
            tests: Python sources.
            entry_point: The name that the tests call.
            seed: Seed of `random` on both sides.
            give_up_after: Timeouts of one code after which its other tests are taken to time out as well; None runs
                them all.

        Raises:
            SandboxError: The host failed twice.
        """
        asked = {"entry_point": entry_point, "seed": seed, "give_up_after": give_up_after}
        return [row for _, row in sorted(self.rows(codes, tests, **asked), key=itemgetter(0))]  # type: ignore[arg-type]

    def rows(
        self,
        codes: Iterable[str],
        tests: Sequence[str],
        *,
        entry_point: str,
        seed: int = 0,
        give_up_after: int | None = None,
    ) -> Iterator[tuple[int, list[Verdict]]]:
        """Yield (j, verdicts of code j against each test) as rows are finished; arguments as for `run_matrix`.

        Codes are taken from the iterable as workers become free, never more than `AHEAD` a worker, so that neither
        what waits nor what was not fetched yet can grow without bound.

        Raises:
            SandboxError: The host failed twice.
        """
        matrix = Matrix(tuple(tests), entry_point, seed, give_up_after)
        pending: dict[Future[Row], int] = {}
        numbered = enumerate(codes)
        try:
            while True:
                for number, code in islice(numbered, AHEAD * len(self._threads) - len(pending)):
                    pending[self._submit(_row(code, matrix))] = number
                if not pending:
                    return
                for future in wait(pending, return_when="FIRST_COMPLETED").done:
                    yield pending.pop(future), future.result()
        finally:
            for future in pending:
                future.cancel()

    def _submit(self, function: Callable[[Worker], Row]) -> Future[Row]:
        if self._closed:
            raise SandboxError("this sandbox is closed")
        future: Future[Row] = Future()
        self._tasks.put((function, future))
        return future

    def _end_threads(self) -> None:
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join()
        self._closed = True

    def close(self) -> None:
        """End the workers and everything they run."""
        if self._closed:
            return
        self._end_threads()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self, index: int, ready: Future[None]) -> None:
        """Serve tasks in one thread; the jails die with the thread that started them."""
        try:
            worker = self._start(index)
        except JailDied as error:
            ready.set_exception(error)
            return
        self._workers.append(worker)
        ready.set_result(None)
        while (task := self._tasks.get()) is not None:
            function, future = task
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(function(worker))
            except BaseException as error:  # noqa: BLE001 (handed to the caller's thread)
                future.set_exception(error)
        worker.close()

    def _start(self, index: int) -> Worker:
        """Start a worker; try twice, because a jail that was killed from outside says nothing about the level."""
        uid = FIRST_PRIVATE_UID + JAILS * index
        try:
            return Worker(self._level, self._limits, uid, self._libraries)
        except JailDied:
            return Worker(self._level, self._limits, uid, self._libraries)


def _row(code: str, matrix: Matrix) -> Callable[[Worker], Row]:
    return lambda worker: worker.row(code, matrix)
