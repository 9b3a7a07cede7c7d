"""What a scripted model answers: right for some requests, wrong for others, by a hash of (weights, request, sample).

Only the standard library, because worker processes that start in a moment read it too.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selfplay.benchmark_task import Task
    from state.records import Problem

BASE = "scripted"
"""Hash of the base model's weights."""
FILE = "script.json"
UNNAMEABLE = "unnameable"
"""A problem whose solution has this name never gets a usable signature."""
NAMELESS = {
    "Return the larger of the two integers a and b.": (
        "def larger(a: int, b: int) -> int:\n    return max(a, b)",
        ("assert larger(2, 3) == 3", "assert larger(5, 1) == 5"),
    ),
    "Return the text s backwards.": (
        "def backwards(s: str) -> str:\n    return s[::-1]",
        ("assert backwards('ab') == 'ba'", "assert backwards('x') == 'x'"),
    ),
    "Return what cannot be named.": (f"def {UNNAMEABLE}(s: str) -> str:\n    return s", ()),
    "Return what has no name.": (f"def {UNNAMEABLE}(n: int) -> int:\n    return n", ()),
}
"""Problems that come without signature or reference, and what the model knows of them."""


def share(*parts: object) -> float:
    """Return a number in [0, 1) that depends on nothing but `parts`."""
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:6], "big") / 2**48


def wrong(entry_point: str, flavour: int) -> str:
    """Return a program that compiles and is wrong in one of several ways."""
    bodies = ("return None", "return 0", "return args[0]", "raise ValueError('no')", "return []", "return str(args)")
    return f"def {entry_point}(*args):\n    {bodies[flavour % len(bodies)]}\n"


def entry_point_of(solution: str) -> str:
    """Return the name of the first function of a program."""
    found = re.search(r"^def (\w+)", solution, re.M)
    return found[1] if found else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a model knows."""

    problems: Mapping[str, tuple[str, str, tuple[str, ...]]]
    """Problem id -> entry point, a right solution, right tests."""
    tasks: Mapping[str, str]
    """"benchmark:task id" -> the task's own right program."""
    skills: Mapping[str, float] = field(default_factory=lambda: {BASE: 0.5})
    """Weights id -> how often a model is right."""
    adapter_skill: float = 0.95
    """The same for all other weights."""
    delay_s: float = 0.0
    """Pause before each answer and each training step."""
    watch: str | None = None
    """What the trainer is to note, and where it is to die (points.Watch as JSON)."""

    @staticmethod
    def of(
        problems: Iterable[Problem], tasks: Mapping[str, Iterable[Task]], *, adapter_skill: float, delay_s: float
    ) -> Script:
        """Return the script for a run."""
        known = {}
        for problem in problems:
            solution, tests = NAMELESS.get(
                problem.prompt, (problem.reference, json.loads(problem.reference_tests or "[]"))
            )
            known[problem.id] = (problem.entry_point or entry_point_of(solution or ""), solution or "", tuple(tests))
        return Script(
            problems=known,
            tasks={f"{name}:{task.id}": task.canonical for name, group in tasks.items() for task in group},
            adapter_skill=adapter_skill,
            delay_s=delay_s,
        )

    def write(self, folder: Path) -> None:
        """Write it where `read` looks for it."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE).write_text(json.dumps(asdict(self)))

    @staticmethod
    def read(folder: Path) -> Script:
        """Return what `write` was given."""
        return Script(**json.loads((folder / FILE).read_text()))

    def skill(self, weights_id: str) -> float:
        """Return how often a model is right."""
        return self.skills.get(weights_id, self.adapter_skill)

    def reply(self, weights_id: str, request_id: str, seed: int | None, position: int) -> str:
        """Return what follows a request's prefill, which opens a block of Python."""
        if request_id in self.tasks:
            good = share(weights_id, request_id) < self.skill(weights_id)
            return self.tasks[request_id] if good else "pass"
        kind, _, problem_id = request_id.rpartition(":")
        entry_point, solution, tests = self.problems[problem_id]
        if not kind:  # a problem's signature
            return "I would rather not." if entry_point == UNNAMEABLE else solution.splitlines()[0]
        if kind == "test":
            lines = [*tests, f"assert {entry_point}(1) == 'surely not'"]
            return "\n".join(lines).removeprefix(f"assert {entry_point}")
        draw = share(weights_id, request_id, seed, position)
        good = draw < self.skill(weights_id)
        return f"# {position}\n{solution if good else wrong(entry_point, int(draw * 1000))}"
