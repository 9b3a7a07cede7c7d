"""Curves and matrices in a few characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.small_pictures import matrix_lines, sparkline

BARS = "▁▂▃▄▅▆▇█"


@pytest.mark.parametrize(
    ("values", "picture"),
    [
        ([], ""),
        ([1, 2, 3, 4, 5, 6, 7, 8], BARS),
        ([8, 1], "█▁"),
        ([0.5, 0.5], "▄▄"),
    ],
)
def test_a_curve_goes_from_the_lowest_to_the_highest_bar(values: list[float], picture: str) -> None:
    assert sparkline(values, 12) == picture


def test_a_small_change_stays_small() -> None:
    assert sparkline([0.50, 0.51], 12) == "▁█"
    assert sparkline([0.50, 0.51], 12, least_span=0.2) == "▄▅"


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(1, 20))
def test_a_curve_fits_and_keeps_its_last_value(values: list[float], width: int) -> None:
    picture = sparkline(values, width)
    assert len(picture) == min(len(values), width)
    assert set(picture) <= set(BARS)
    if len(values) <= width and max(values) > min(values):
        assert picture[values.index(max(values))] == "█"
        assert picture[values.index(min(values))] == "▁"


def test_a_matrix_has_a_line_a_code_and_a_character_a_test() -> None:
    assert matrix_lines(["101", "000"], 10, 5) == ["█░█", "░░░"]


def test_what_does_not_fit_is_cut_and_counted() -> None:
    assert matrix_lines(["10101"] * 6, 3, 4) == ["█░█"] * 3 + ["+3"]
    assert matrix_lines([], 3, 4) == []
