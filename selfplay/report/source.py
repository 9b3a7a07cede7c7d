"""Text that a model wrote, made safe and readable: highlighted Python, and nothing that a page could obey or hide."""

from __future__ import annotations

import unicodedata
from functools import cache

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

STYLE = "xcode"
"""The light style of Pygments whose every colour has a contrast of at least 4.5 on the page's code background."""
PREFIX = "k-"
LONGEST = 4000
"""Characters shown of one text; model output has no other bound than its tokens."""


def visible(text: str) -> str:
    r"""Return text in which every character that would not show, or would reorder others, is written as an escape.

    Newlines and tabs stay. Controls, bidirectional overrides, zero-width characters and lone surrogates become `\x1b`,
    `\u202e` and the like: what is read is what ran.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":  # spaces other than the usual one
        return character
    return (
        character.encode("ascii", "backslashreplace").decode() if ord(character) > 127 else f"\\x{ord(character):02x}"
    )


def cut(text: str) -> str:
    """Return the text, or its first `LONGEST` characters and how many more there are."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n# ... {len(text) - LONGEST} more characters"


def python(text: str) -> Markup:
    """Return Python as highlighted HTML without a wrapper; every character of the text is escaped by Pygments."""
    lexer, formatter = _pygments()
    return Markup(highlight(visible(cut(text)), lexer, formatter).rstrip("\n"))  # noqa: S704  (Pygments escapes)


def style_sheet(scope: str) -> str:
    """Return the rules that colour `python`'s output inside `scope`."""
    return str(HtmlFormatter(style=STYLE, classprefix=PREFIX).get_style_defs(scope))


@cache
def _pygments() -> tuple[PythonLexer, HtmlFormatter[str]]:
    return PythonLexer(stripnl=False, ensurenl=False), HtmlFormatter(nowrap=True, classprefix=PREFIX)
