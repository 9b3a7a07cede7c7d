"""Pictures of a few characters: a curve in one line, a pass matrix."""

from __future__ import annotations

from collections.abc import Sequence

_BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int, *, least_span: float = 0.0) -> str:
    """Return a curve in at most `width` characters: its lowest value is the lowest bar, its highest the highest.

    Args:
        values: By time; more than `width` are thinned out evenly, the last one stays.
        width: Characters, >= 1.
        least_span: Smallest difference that fills the whole height, so that noise does not look like a mountain.
    """
    if not values:
        return ""
    if len(values) > width:
        values = [values[round((at + 1) * len(values) / width) - 1] for at in range(width)]
    low, high = min(values), max(values)
    span = max(high - low, least_span)
    if span == 0:
        return _BARS[3] * len(values)
    middle = (low + high) / 2
    bottom = middle - span / 2
    return "".join(_BARS[min(7, int(8 * (value - bottom) / span))] for value in values)


def matrix_lines(passed: Sequence[str], width: int, height: int) -> list[str]:
    """Return a pass matrix, a line a code and a character a test: "█" where it passes, "░" where it fails.

    What does not fit is left out at the right and at the bottom, where a last line says how many codes are missing.

    Args:
        passed: C strings of T characters "0" | "1".
        width: Characters, >= 1.
        height: Lines, >= 1.
    """
    shown = list(passed) if len(passed) <= height else list(passed[: height - 1])
    lines = [row[:width].replace("1", "█").replace("0", "░") for row in shown]
    if len(shown) < len(passed):
        lines.append(f"+{len(passed) - len(shown)}"[:width])
    return lines
