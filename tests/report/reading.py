"""A page as a reader meets it, read with the standard library's parser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"meta", "img", "source", "link", "br", "hr", "input"}
LITERAL = {"data", "code", "pre", "style", "time", "title"}
"""Elements whose text is no number of the page's own: values with a key, ids, code."""


@dataclass
class Page(HTMLParser):
    """What is on a page."""

    figures: list[tuple[str, str, str]] = field(default_factory=list)
    """(key, value, text) of every number."""
    prose: list[str] = field(default_factory=list)
    """Text outside LITERAL and outside what is quoted from the database."""
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    _open: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    @classmethod
    def of(cls, html: str) -> Page:
        page = cls()
        page.feed(html)
        page.close()
        assert page._open == [], "every element is closed"
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        tag, attributes = self._open[-1] if self._open else ("", {})
        if tag == "data":
            self.figures.append((attributes["data-key"] or "", attributes["value"] or "", data))
        if tag == "style":
            self.styles.append(data)
        quoted = any(set((each.get("class") or "").split()) & {"verbatim", "name"} for _, each in self._open)
        if not quoted and not any(name in LITERAL for name, _ in self._open):
            self.prose.append(data)
