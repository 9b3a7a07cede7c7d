"""What datasette is given of a run."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from run_loop import app
from state.queries import QUERIES
from state.records import TABLES


def test_metadata_is_written_beside_the_database_and_the_command_is_told(promoted: Path) -> None:
    done = CliRunner().invoke(app, ["datasette", "--run", "a", "--runs-dir", str(promoted)])
    assert done.exit_code == 0
    folder = promoted / "a"
    assert done.output.strip() == f"uvx datasette {folder / 'run.db'} -m {folder / 'metadata.json'}"
    written = json.loads((folder / "metadata.json").read_text())
    assert written["databases"]["run"]["queries"].keys() == {query.name for query in QUERIES}
    assert written["databases"]["run"]["tables"].keys() == TABLES.keys()


def test_a_run_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["datasette", "--run", "x", "--runs-dir", str(tmp_path)]).exit_code == 2
