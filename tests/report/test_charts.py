"""Axes that can be read."""

from __future__ import annotations

import pytest

from selfplay.report.charts import _span


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.7, 0.1, 0.3], [0.1, 0.7]), ([0.0], [-0.05, 0.05]), ([10.0, 10.0], [9.0, 11.0]), ([-1.0], [-1.1, -0.9])],
)
def test_an_axis_has_two_ends_even_where_all_values_are_alike(values: list[float], ends: list[float]) -> None:
    assert _span(values) == pytest.approx(ends)
