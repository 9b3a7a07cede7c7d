"""Text of a model on the page: all of it is shown, none of it acts."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pygments.styles import get_style_by_name

from selfplay.report import source

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=()), max_size=60)
BACKGROUND = "f6f8fa"
"""Of .code in page.css."""


def plain(markup: str) -> str:
    """Return the text of highlighted code."""
    return html.unescape(re.sub(r"</?span[^>]*>", "", markup))


@given(ANY_TEXT)
def test_everything_visible_stays_and_everything_else_is_written_out(text: str) -> None:
    shown = source.visible(text)
    assert all(character in "\n\t" or character.isprintable() or character.isspace() for character in shown)
    shown.encode()  # no lone surrogate is left
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("hidden", "shown"),
    [
        ("\u202e", r"\u202e"),
        ("\u2066", r"\u2066"),
        ("\u200b", r"\u200b"),
        ("\ufeff", r"\ufeff"),
        ("\x00", r"\x00"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x85", r"\x85"),
        ("\ud800", r"\ud800"),
        ("\r", r"\x0d"),
        ("a\tb\n", "a\tb\n"),
        ("naïve ✓ 你好", "naïve ✓ 你好"),
    ],
)
def test_a_character_that_would_not_show_is_an_escape(hidden: str, shown: str) -> None:
    assert source.visible(hidden) == shown


@given(st.one_of(ANY_TEXT, st.text(alphabet="<>&\"'/=script defx():#\n ", max_size=60)))
def test_highlighting_changes_no_character_and_opens_no_element_but_span(text: str) -> None:
    marked = str(source.python(text))
    assert set(re.findall(r"<(?!/?span)", marked)) == set()
    assert plain(marked).strip("\n") == source.visible(text).strip("\n")


def test_a_very_long_text_is_cut_and_says_so() -> None:
    shown = plain(str(source.python("x" * (source.LONGEST + 5))))
    assert shown.endswith("# ... 5 more characters")
    assert len(shown) < source.LONGEST + 40
    assert source.cut("short") == "short"


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_colour_of_code_can_be_read() -> None:
    for token, style in get_style_by_name(source.STYLE):
        light, dark = sorted((luminance(style["color"] or "000000"), luminance(BACKGROUND)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, token
        assert style["bgcolor"] is None
