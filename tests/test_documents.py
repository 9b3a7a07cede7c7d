"""Whatever README.md and docs/ point to is there; the site is built of them without help from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import PAGES, ROOT, anchors, links, spans

EXTERNAL = re.compile(r"[a-z]+:")
SOURCE = re.compile(r"(?:selfplay|sandbox|state|tests|bench|docs|\.ci)/[\w.*/-]+")
NAMED_TEST = re.compile(r"(?:(?P<file>test_\w+\.py)::)?(?P<name>test_\w+)(?P<cut>\.\.\.)?")


def broken(root: Path, page: str) -> list[str]:
    """Return what a page points to and is not there."""
    file = root / page
    text = file.read_text(encoding="utf-8")
    found = []
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (file.parent / name).resolve() if name else file
        if EXTERNAL.match(link):
            continue
        if not target.is_relative_to(root.resolve()) or not target.exists():
            found.append(f"{link}: no such file")
        elif anchor and (target.suffix != ".md" or anchor not in anchors(target.read_text(encoding="utf-8"))):
            found.append(f"{link}: no such heading")
    for span in spans(text):
        if SOURCE.fullmatch(span) and not list(root.glob(span)):
            found.append(f"`{span}`: no such file")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_and_paths_of_a_page_lead_somewhere(page: str) -> None:
    assert broken(ROOT, page) == []


@pytest.mark.parametrize("page", PAGES)
def test_tests_named_on_a_page_exist(page: str) -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
    missing = []
    for span in spans((ROOT / page).read_text(encoding="utf-8")):
        named = NAMED_TEST.fullmatch(span)
        if named is None or not (named["file"] or named["cut"]):
            continue
        texts = [sources.get(named["file"], "")] if named["file"] else list(sources.values())
        if not any(re.search(rf"def {named['name']}{'' if named['cut'] else chr(92) + '('}", text) for text in texts):
            missing.append(span)
    assert missing == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a](b.md)", "b.md: no such file"),
        ("[a](#nowhere)", "#nowhere: no such heading"),
        ("[a](../../outside.md)", "../../outside.md: no such file"),
        ("`selfplay/none.py`", "`selfplay/none.py`: no such file"),
    ],
)
def test_what_leads_nowhere_is_found(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "page.md").write_text(text)
    assert broken(tmp_path, "page.md") == [message]


def test_anchors_are_those_of_git_hosts() -> None:
    text = "# The leaderboard's `pass@1`?\n\n## A b\n\n## A b\n"
    assert anchors(text) == {"the-leaderboards-pass1", "a-b", "a-b-1"}


def build(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """Build the site of a repository."""
    command = [sys.executable, str(ROOT / "docs" / "build.py"), "--root", str(root), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_site_is_built_and_asks_nobody_for_anything(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES)
    fetched = re.compile(
        r"<(?:script|img|iframe|source)[^>]*\ssrc=\"?(?:https?:)?//|<link(?![^>]*canonical)[^>]*https?://"
    )
    assert [page.name for page in pages if fetched.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("link", ["[x](../selfplay/none.py)", "[x](faq.md#none)", "[x](none.md)"])
def test_a_site_with_a_broken_link_is_not_built(tmp_path: Path, link: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    shutil.copytree(ROOT / "docs", root / "docs")
    for name in ("selfplay", "state", "sandbox", "tests", "bench"):
        (root / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "README.md", root)
    for name in ("LICENSE", "CHANGELOG.md", "Makefile", "run_loop.py"):
        shutil.copy(ROOT / name, root)
    with (root / "docs" / "faq.md").open("a") as page:
        page.write(f"\n{link}\n")
    done = build(root, tmp_path / "out")
    assert done.returncode != 0
    assert re.search("leads nowhere|does not exist", done.stdout + done.stderr), done.stderr
    assert "No module" not in done.stderr
