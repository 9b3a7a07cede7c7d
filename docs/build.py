"""Builds README.md and docs/ as a site, in build/site: `make docs`.

The pages are written for a plain git host, where `../selfplay/rules.py` and `../README.md` are files beside them. The
site's generator knows only what lies in one folder. So the pages are laid out for it:

    build/zensical.toml             docs/zensical.toml
    build/pages/                    what is in docs/
    build/pages/repository/         README.md, and each source that a page links to, as a page that shows it

Every link must lead somewhere. What leads out of the pages is looked for here, the rest by the generator (`--strict`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("http://", "https://", "mailto:", "#")
LANGUAGES = {".py": "python", ".toml": "toml", ".jsonl": "json"}
FENCE = "`" * 8


def links(text: str) -> Iterator[str]:
    """Yield where each link of a Markdown text leads, as it is written."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for child in token.children or ():
            if child.type == "link_open":
                yield str(child.attrs["href"])


def place(path: PurePosixPath) -> PurePosixPath:
    """Return where a file of the repository lies among the site's pages."""
    if path.parts[0] == "docs":
        return path.relative_to("docs")
    shown = path if path.suffix == ".md" else path.with_name(f"{path.name}.md")
    return PurePosixPath("repository") / shown


def lay_out(root: Path, pages: Path) -> list[str]:
    """Write all pages into a folder; return the links that lead nowhere, each with its page."""
    shutil.copytree(root / "docs", pages, ignore=shutil.ignore_patterns("*.py", "*.toml", "__pycache__"))
    todo = [PurePosixPath("README.md"), *(PurePosixPath("docs") / path.name for path in (root / "docs").glob("*.md"))]
    done: set[PurePosixPath] = set()
    broken = []
    while todo:
        page = todo.pop()
        if page in done:
            continue
        done.add(page)
        text = page_of(root, page)
        for link in sorted(set(links(text))):
            if link.startswith(ELSEWHERE):
                continue
            name, mark, anchor = link.partition("#")
            target = PurePosixPath(os.path.normpath(page.parent / name))
            if target.parts[0] == ".." or not (root / target).exists():
                broken.append(f"{page}: {link} leads nowhere")
                continue
            todo.append(target)
            new = os.path.relpath(place(target), place(page).parent)
            text = text.replace(f"]({link})", f"]({new}{mark}{anchor})")
        out = pages / place(page)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    return broken


def page_of(root: Path, path: PurePosixPath) -> str:
    """Return a file of the repository as Markdown: itself, or a page that shows it."""
    source = root / path
    if source.is_dir():
        names = sorted(file.name for file in source.iterdir() if file.suffix in LANGUAGES)
        return f"# {path}\n\n" + "".join(f"* [{name}]({path.name}/{name})\n" for name in names)
    text = source.read_text(encoding="utf-8")
    if path.suffix == ".md":
        return text
    return f"# {path}\n\n{FENCE}{LANGUAGES.get(path.suffix, 'text')}\n{text}{FENCE}\n"


def main() -> int:
    """Build the site; print where it is."""
    parser = argparse.ArgumentParser(description="Build README.md and docs/ as a site.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository; default: this one")
    parser.add_argument("--out", type=Path, default=ROOT / "build", help="folder to build in; default: build")
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    for name in ("pages", "site"):
        shutil.rmtree(out / name, ignore_errors=True)
    broken = lay_out(arguments.root, out / "pages")
    if broken:
        sys.stderr.write("\n".join(broken) + "\n")
        return 1
    shutil.copy(arguments.root / "docs" / "zensical.toml", out)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", "zensical.toml"]
    done = subprocess.run(command, cwd=out, check=False)
    if done.returncode == 0:
        sys.stdout.write(f"The site is in {out / 'site'}: open {out / 'site' / 'index.html'}\n")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
