"""README.md and docs/ as the tests read them: links, anchors, names in back-ticks, blocks of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block of code."""

    page: str
    line: int
    """Its first line, from 1."""
    text: str


def tokens(text: str) -> list[Token]:
    """Return the tokens of a Markdown text, as a plain git host reads it."""
    return MarkdownIt("commonmark").enable("table").parse(text)


def inline(text: str, kind: str) -> Iterator[Token]:
    """Yield the tokens of one kind within paragraphs, headings and cells."""
    for token in tokens(text):
        yield from (child for child in token.children or () if child.type == kind)


def links(text: str) -> list[str]:
    """Return where the links of a text lead."""
    return [str(token.attrs["href"]) for token in inline(text, "link_open")]


def spans(text: str) -> list[str]:
    """Return what stands in back-ticks."""
    return [token.content for token in inline(text, "code_inline")]


def anchors(text: str) -> set[str]:
    """Return the anchors of a text's headings, made as git hosts make them."""
    found: set[str] = set()
    every = tokens(text)
    for number, token in enumerate(every):
        if token.type != "heading_open":
            continue
        words = "".join(child.content for child in every[number + 1].children or ())
        slug = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        repeats = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{repeats}" if repeats else slug)
    return found


def blocks(page: str) -> list[Block]:
    """Return the blocks of code of a page."""
    every = tokens((ROOT / page).read_text(encoding="utf-8"))
    return [
        Block(page=page, line=(token.map or [0])[0] + 1, text=token.content)
        for token in every
        if token.type in {"code_block", "fence"}
    ]
