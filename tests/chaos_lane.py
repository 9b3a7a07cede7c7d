"""A process that plays chaos scenarios: JSON lines in, JSON lines out; the first line out is what a run passes.

    python -m tests.chaos_lane SCRATCH

Where the host lets it, it runs in namespaces of its own (`lane_command`), with empty shared folders: whatever process,
file, mount or segment is found there afterwards was left by the run under test, and by nobody else.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

from tests.chaos import Scenario, Stand
from tests.leftovers import orphans_adopted
from tests.remains import SHARED, alone

UNSHARE = ("unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc")


def in_namespaces(line: list[str]) -> list[str]:
    """Return the command line that runs another in namespaces of its own, where this host has them."""
    if shutil.which("unshare") and subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0:
        return [*UNSHARE, *line]
    return line


def lane_command(scratch: Path) -> list[str]:
    """Return the command line of a lane on this host."""
    return in_namespaces([sys.executable, "-m", "tests.chaos_lane", str(scratch)])


def mask(scratch: Path) -> tuple[str, ...]:
    """Empty the shared folders for this process and its children alone; return those for which that was possible."""
    if not alone():
        return ()
    needed = [scratch, Path.cwd(), Path(sys.prefix), Path(sys.base_prefix), Path.home() / ".cache"]
    masked = []
    for name in SHARED:
        folder = Path(name).resolve()
        if folder.is_dir() and not any(path.resolve().is_relative_to(folder) for path in needed):
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=1777", "chaos", str(folder)], check=True)
            masked.append(str(folder))
    return tuple(masked)


def main(scratch: Path) -> None:
    """Serve until the input ends."""
    private = mask(scratch)
    with orphans_adopted():
        stand = Stand(scratch, private=private)
        stand.reference(())
        tell({"passages": stand.passages, "private": private, "tables": repr(stand.references[()])})
        for line in sys.stdin:
            tell(dataclasses.asdict(stand.play(Scenario.of(json.loads(line)))))


def tell(message: dict[str, object]) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
