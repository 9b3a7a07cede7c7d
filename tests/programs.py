"""The programs of tests/hostile: one a file, its first line says what it is run against and how it may end."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "hostile"


@dataclass(frozen=True)
class Program:
    """A code, its test, and the statuses that are right for it."""

    name: str
    code: str
    entry: str
    test: str
    allowed: tuple[str, ...]

    @property
    def family(self) -> str:
        """The kind of attack, the first word of its name."""
        return self.name.partition("_")[0]

    @property
    def contained(self) -> bool:
        """True where it tries things and returns what it managed: a pass says that this was nothing."""
        return "passed" in self.allowed


def read(path: Path) -> Program:
    """Return the program in a file."""
    code = path.read_text()
    head = json.loads(code.splitlines()[0].removeprefix("# "))
    return Program(path.stem, code, head["entry"], head["test"], tuple(head["allowed"]))


UNSPLIT = ("class S:\n    n = 1", "class X(S):\n    pass\nassert X.n == 1")
"""A code and a test that cannot be split from it: entry point `S`, run in one process."""
HOSTILE = tuple(read(path) for path in sorted(FOLDER.glob("*.py")))
BENIGN = tuple(read(path) for path in sorted((FOLDER / "benign").glob("*.py")))
"""Twins of the hostile ones, by name, and `plain_*`: ordinary programs that once were, or might be, mistaken."""
