"""How numbers are written on the page: each one as `<data>`, which holds the exact value and says what it is of.

A reader (or a test) finds every number of the report by its key, and a program need not parse percentages.
"""

from __future__ import annotations

from collections.abc import Callable

from markupsafe import Markup, escape

from selfplay.rounds_table import duration, percent

_GIB = 1024**3

FORMATS: dict[str, Callable[[float], str]] = {
    "count": lambda value: f"{value:,.0f}",
    "percent": percent,
    "points": lambda value: f"{100 * value:+.1f}",
    "p": lambda value: f"{value:.3g}",
    "real": lambda value: f"{value:.3f}",
    "duration": duration,
    "gib": lambda value: f"{value / _GIB:.1f} GiB",
    "rate": lambda value: f"{value:.0f}" if value >= 9.95 else f"{value:.1f}",
}
"""How a value is written: shares of 1 as a percentage or in points, seconds as a duration, bytes in GiB."""


def figure(key: str, value: float | None, form: str = "count") -> Markup:
    """Return a number of the page, or a dash where it is not known (never 0).

    Args:
        key: What it is of, such as "round.2.pairs".
        value: The number.
        form: One of FORMATS.
    """
    if value is None:
        return Markup('<span class="unknown" title="not known">–</span>')  # noqa: RUF001  (a dash is meant)
    text = FORMATS[form](value)
    return Markup('<data value="{}" data-key="{}">{}</data>').format(repr(value), escape(key), text)


def number(round_number: int) -> Markup:
    """Return a round's number."""
    return figure(f"number.{round_number}", round_number)


def counted(key: str, value: int, one: str, many: str | None = None) -> Markup:
    """Return a count with its noun: "1 pair", "3 pairs"."""
    return Markup("{} {}").format(figure(key, value), one if value == 1 else many or f"{one}s")


def interval(key: str, bounds: tuple[float, float] | None, form: str = "percent") -> Markup:
    """Return both ends of an interval, in brackets; nothing where there is none."""
    if bounds is None:
        return Markup("")
    low, high = (figure(f"{key}.{end}", value, form) for end, value in zip(("low", "high"), bounds, strict=True))
    return Markup('<span class="interval">[{}, {}]</span>').format(low, high)
