"""`run_loop.py report`: the run as one file."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from selfplay.commands import OK, guarded, stored
from selfplay.session import now, run_folder


def write_report(name: str, runs_dir: Path, out: Path | None) -> int:
    """Write the report of a run, whole or not at all, and say where it is.

    Args:
        name: The run.
        runs_dir: Folder that holds the runs.
        out: The file; None is report.html in the run's folder.
    """

    def write() -> int:
        from selfplay.report.facts import read
        from selfplay.report.page import render  # a second of imports, which a mistyped name need not pay

        with stored(name, runs_dir) as store, store.one_moment():
            facts = read(store)
        path = (out or run_folder(runs_dir, name) / "report.html").expanduser().absolute()
        text = render(facts, now())
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(text, encoding="utf-8", errors="backslashreplace")
        fresh.replace(path)
        Console(soft_wrap=True).print(Text(f"{path}  ({len(text.encode(errors='replace')) / 1e6:.1f} MB)"))
        return OK

    return guarded(write)
