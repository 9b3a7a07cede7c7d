"""A short soak, and that growth would be seen (`python -m bench.soak` is the long one)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.soak import ALLOWED, Look, grown, soak, table

FLAT = Look(
    round=1, loop_bytes=170 << 20, children_bytes=180 << 20, open_files=28, threads=9, children=20,
    database_bytes=1 << 20, champions_bytes=0, rest_bytes=70_000, rest_files=15, temporary_files=0,
)  # fmt: skip
SHORT = (
    "problems.per_round=1",
    "generate.codes=4",
    "benchmark.limit=6",
    "keep.rejected=1",
    "keep.logs=1",
    "keep.log_bytes=1024",
)


@pytest.mark.parametrize("name", ALLOWED)
def test_what_grows_with_every_round_is_seen(name: str) -> None:
    step = ALLOWED[name] // 40 + 1
    looks = [replace(FLAT, round=number, **{name: getattr(FLAT, name) + number * step}) for number in range(200)]
    (line,) = grown(looks)
    assert line.startswith(f"{name} grew from ")
    assert name.replace("_bytes", "_mib") in table(looks).splitlines()[0]


def test_the_database_and_the_champions_may_grow_and_a_start_up_does_not_count() -> None:
    looks = [replace(FLAT, round=number, database_bytes=number << 20, champions_bytes=number) for number in range(20)]
    looks[0] = replace(FLAT, loop_bytes=1)
    assert grown(looks) == []


def test_a_short_run_does_not_grow_and_leaves_nothing_behind(tmp_path: Path) -> None:
    looks, left = soak(14, tmp_path, SHORT)
    assert len(looks) >= 10
    assert grown(looks) == []
    assert left == []
    assert looks[-1].database_bytes > looks[0].database_bytes, "or the run was not looked at"
