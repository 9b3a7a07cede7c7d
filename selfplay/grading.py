"""Runs answers against benchmark tests, each within the time that its benchmark allows."""

from __future__ import annotations

import dataclasses
import math
import threading

from sandbox import Sandbox, Status, Verdict
from selfplay.benchmark_task import Task
from selfplay.evalplus import quick_test

WORKERS = 2
VALUE_BYTES = 64 * 2**20
"""One result of HumanEval/130 is a list of a million numbers."""
TOO_SLOW = "TooSlow:"
"""How the detail of a verdict begins where an EvalPlus test stopped waiting (`selfplay.evalplus_check`)."""


class Grader:
    """Sandboxes like a given one, one for every length of time that tasks may take; made when first needed."""

    def __init__(self, box: Sandbox, longest_s: float) -> None:
        """Remember what to be like.

        Args:
            box: Its level, memory limit and libraries hold for all.
            longest_s: No task may take longer, whatever its benchmark allows.
        """
        self.level = box.level
        self.limits = box.limits
        self.libraries = box.libraries
        self.longest_s = longest_s
        self._notes: dict[tuple[str, str], str] = {}
        self._boxes: dict[float, Sandbox] = {}
        self._lock = threading.Lock()

    def learn(self, task: Task, note: str) -> None:
        """Remember what a task's test left when its right program passed: grading may be quicker for it."""
        self._notes[task.benchmark, task.id] = note

    def run(self, task: Task, source: str) -> Verdict:
        """Return the verdict of a program on a task; may be called from several threads.

        A test that stopped waiting for the program waits once more before that counts: the host may have been busy,
        and the quick test that a note makes possible has inputs share their time.

        Raises:
            sandbox.SandboxError: The host failed twice.
        """
        quick = quick_test(task, self._notes.get((task.benchmark, task.id), ""))
        for test in (quick or task.test, task.test):
            verdict = self.run_once(task, source, test)
            if not verdict.detail.startswith(TOO_SLOW):
                return verdict
        return dataclasses.replace(verdict, status=Status.TIMEOUT)

    def run_once(self, task: Task, source: str, test: str) -> Verdict:
        """Return what one try with this test comes to."""
        box = self._box(min(task.wall_s, self.longest_s))
        return box.run(source, test, entry_point=task.entry_point, seed=0)

    @property
    def executions(self) -> int:
        """Executions finished so far."""
        with self._lock:
            return sum(box.executions for box in self._boxes.values())

    def end_jails(self) -> None:
        """End everything that is running; each execution in flight is tried once more."""
        with self._lock:
            for box in self._boxes.values():
                box.end_jails()

    def _box(self, wall_s: float) -> Sandbox:
        with self._lock:
            if wall_s not in self._boxes:
                limits = dataclasses.replace(
                    self.limits, wall_s=wall_s, cpu_s=math.ceil(wall_s) + 1, value_bytes=VALUE_BYTES
                )
                self._boxes[wall_s] = Sandbox(WORKERS, self.level, limits, self.libraries)
            return self._boxes[wall_s]

    def close(self) -> None:
        """End the sandboxes."""
        with self._lock:
            for box in self._boxes.values():
                box.close()
            self._boxes.clear()
