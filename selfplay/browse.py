"""`run_loop.py datasette`: what datasette needs to show a run's database with its questions at hand."""

from __future__ import annotations

import inspect
import json
import textwrap
from pathlib import Path

from rich.console import Console
from rich.text import Text

from selfplay.commands import OK, guarded, stored
from selfplay.session import DATABASE, run_folder
from state.queries import QUERIES
from state.records import TABLES


def write_metadata(name: str, runs_dir: Path) -> int:
    """Write metadata.json beside a run's database, and say with which command to look at it."""

    def write() -> int:
        with stored(name, runs_dir):  # there is such a run
            folder = run_folder(runs_dir, name)
        path = folder / "metadata.json"
        path.write_text(json.dumps(metadata(name), indent=1) + "\n", encoding="utf-8")
        Console(soft_wrap=True).print(Text(f"uvx datasette {folder / DATABASE} -m {path}"))
        return OK

    return guarded(write)


def metadata(name: str) -> dict[str, object]:
    """Return datasette's metadata of a run: its questions, and what each table holds."""
    queries = {query.name: {"title": query.title, "sql": textwrap.dedent(query.sql).strip()} for query in QUERIES}
    tables = {table: {"description": inspect.cleandoc(record.__doc__ or "")} for table, record in TABLES.items()}
    return {
        "title": f"selfplay run {name}",
        "databases": {Path(DATABASE).stem: {"queries": queries, "tables": tables}},
    }
