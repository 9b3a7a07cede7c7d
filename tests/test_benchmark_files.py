"""Benchmark files: the published bytes or one clear sentence, from a folder, a package, or a server."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from selfplay import benchmark_files as files
from selfplay.benchmark import BENCHMARKS, load
from selfplay.benchmark_files import DataFile, rows
from selfplay.errors import UserError
from tests.benchmark_data import data_dir, needs_data

ROWS = [{"task_id": number, "text": "é"} for number in range(3)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
PACKED, CHANGED, OTHER = (gzip.compress(text, mtime=0) for text in (LINES, LINES[:-4], b"{}"))
FILE = DataFile(name="tiny.jsonl.gz", sha256=hashlib.sha256(PACKED).hexdigest(), github="who/what/commit/tiny.jsonl.gz")
PLAIN = DataFile(name="tiny.jsonl.gz", sha256=hashlib.sha256(LINES).hexdigest())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFPLAY_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize(("name", "content"), [("tiny.jsonl.gz", PACKED), ("tiny.jsonl", LINES)])
def test_a_file_pinned_by_its_text_is_taken_packed_or_not(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert rows(PLAIN, tmp_path) == ROWS


def test_a_json_file_is_taken_in_any_layout(tmp_path: Path) -> None:
    file = DataFile(name="tiny.json", sha256=hashlib.sha256(json.dumps(ROWS).encode()).hexdigest())
    (tmp_path / "tiny.json").write_text(json.dumps(ROWS, indent=4))
    assert rows(file, tmp_path) == ROWS
    (tmp_path / "tiny.json").write_text(json.dumps(ROWS[:2], indent=4))
    with pytest.raises(UserError, match="not the published file"):
        rows(file, tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (PACKED[:-12], r"tiny\.jsonl\.gz is cut short or damaged .*; get it again"),
        (PACKED[:1], r"tiny\.jsonl\.gz is not the published file: .* \(1 bytes\); get it again"),
        (b"", "is not the published file"),
        (CHANGED, "is not the published file: sha256 is [0-9a-f]{64}, expected [0-9a-f]{64}"),
    ],
)
def test_other_bytes_are_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / "tiny.jsonl.gz").write_bytes(content)
    with pytest.raises(UserError, match=complaint):
        rows(FILE, tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no folder .*absent of benchmark files .*SELFPLAY_DATA_DIR"):
        rows(FILE, tmp_path / "absent")


def test_a_file_that_nobody_serves_must_be_put_there_by_hand(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"tiny\.jsonl\.gz is needed and cannot be fetched: .*SELFPLAY_DATA_DIR"):
        rows(PLAIN, tmp_path)


class Served:
    """What a server has and was asked for."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}
        self.asked: list[str] = []


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    served = Served()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.content.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        monkeypatch.setenv(files.MIRROR_VARIABLE, f"http://127.0.0.1:{listening.server_port}/")
        yield served
        listening.shutdown()
        thread.join()


def test_a_missing_file_is_fetched_once_from_its_pinned_commit(server: Served, tmp_path: Path) -> None:
    server.content["/who/what/commit/tiny.jsonl.gz"] = PACKED
    assert rows(FILE, None) == ROWS
    assert rows(FILE, tmp_path) == ROWS
    assert server.asked == ["/who/what/commit/tiny.jsonl.gz"]
    assert [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()] == ["tiny.jsonl.gz"]


@pytest.mark.parametrize("content", [PACKED[:-12], OTHER, b"<html>"])
def test_other_bytes_from_a_server_leave_nothing_behind(server: Served, tmp_path: Path, content: bytes) -> None:
    server.content["/who/what/commit/tiny.jsonl.gz"] = content
    with pytest.raises(UserError, match=r"http://.*tiny\.jsonl\.gz is (not the published file|cut short)"):
        rows(FILE, None)
    assert not (tmp_path / "cache").exists()


def test_a_server_without_the_file_is_named(server: Served) -> None:
    with pytest.raises(UserError, match=r"http://127.* does not give it \(Not Found\); put it into a folder by hand"):
        rows(FILE, None)


def test_no_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(files.MIRROR_VARIABLE, "http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"does not give it \(.*refused\); put it into a folder by hand"):
        rows(FILE, None)
    monkeypatch.setenv(files.MIRROR_VARIABLE, "file:///etc")
    with pytest.raises(UserError, match="must begin with https:// or http://"):
        rows(FILE, None)


@needs_data
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("humaneval", 164),
        ("humaneval_plus", 164),
        ("mbpp", 500),
        ("mbpp_sanitized", 257),
        ("mbpp_plus", 378),
        ("bigcodebench_complete", 1140),
        ("bigcodebench_instruct", 1140),
        ("bigcodebench_hard_complete", 148),
        ("bigcodebench_hard_instruct", 148),
    ],
)
def test_every_benchmark_loads_whole_from_the_published_files(name: str, count: int) -> None:
    found = load(name, data_dir=data_dir())
    assert len({task.id for task in found}) == len(found) == count
    for task in found:
        assert task.benchmark == name
        assert re.search(rf"^def\s+{task.entry_point}\s*\(", task.canonical, re.MULTILINE)
        assert task.entry_point in task.test


def test_every_benchmark_is_looked_at() -> None:
    marks = test_every_benchmark_loads_whole_from_the_published_files.pytestmark  # type: ignore[attr-defined]
    parameters = next(mark for mark in marks if mark.name == "parametrize").args[1]
    assert [name for name, _ in parameters] == list(BENCHMARKS)
