"""`run_loop.py report` as a user meets it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from run_loop import app
from tests.report.reading import Page


def test_the_report_is_written_whole_beside_the_database_or_where_it_is_asked_for(promoted: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--run", "a", "--runs-dir", str(promoted)])
    assert done.exit_code == 0
    path = promoted / "a" / "report.html"
    assert done.output.startswith(f"{path}  (")
    assert Page.of(path.read_text()).figures
    elsewhere = promoted / "new" / "folder" / "page.html"
    done = CliRunner().invoke(app, ["report", "--run", "a", "--runs-dir", str(promoted), "--out", str(elsewhere)])
    assert done.exit_code == 0
    assert [each.name for each in elsewhere.parent.iterdir()] == ["page.html"]


def test_a_run_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["report", "--run", "nobody", "--runs-dir", str(tmp_path / "runs")])
    assert done.exit_code == 2
    assert not (tmp_path / "runs").exists()
