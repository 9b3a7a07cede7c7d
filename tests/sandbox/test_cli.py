"""`python -m sandbox`: one JSON verdict a line."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from sandbox.__main__ import entry_point, main

pytestmark = pytest.mark.isolation

JOBS = [
    {"code": "def f(a):\n    return a + 1", "test": "assert f(1) == 2"},
    {"code": "def f(a):\n    return a + 1", "test": "assert f(1) == 3", "entry_point": "f"},
]


def test_each_line_gets_a_verdict_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "jobs.jsonl"
    path.write_text("\n\n".join(map(json.dumps, JOBS)))
    assert main([str(path), "--level", "none", "--workers", "1"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["status"], row["level"]) for row in rows] == [("passed", "none"), ("failed", "none")]


def test_a_python_file_is_run_against_its_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, good, bad = (tmp_path / name for name in ("code.py", "good.py", "bad.py"))
    code.write_text("def f(a):\n    return a + 1")
    good.write_text("assert f(1) == 2")
    bad.write_text("assert f(1) == 3")
    options = ["--level", "none", "--workers", "1"]
    assert [main([str(code), *test, *options]) for test in ([str(good)], [str(bad)], [])] == [0, 1, 0]
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in rows] == ["passed", "failed", "passed"]


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["{", "[]", '{"code": "x"}', '{"code": 1, "test": "x"}'])
def test_a_bad_line_is_named(line: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(JOBS[0]) + "\n" + line))
    assert main(["-"]) == 2
    assert "line 2" in capsys.readouterr().err


def test_the_probe_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--probe"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["bwrap", "uid", "landlock", "none"]


def test_the_entry_point_is_the_function_that_the_test_names() -> None:
    code = "def helper(): ...\ndef f(): ...\ndef g(): ..."
    assert entry_point(code, "assert f() == 1") == "f"
    assert entry_point(code, "assert other() == 1") == ""
    assert entry_point("def f(", "assert f()") == ""
