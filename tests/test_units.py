"""Which tests share a process: what cannot run side by side is one unit, and the long ones begin first."""

from __future__ import annotations

import pytest

from .conftest import place, unit


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("tests/test_gate.py::test_a", "test_gate.py"),
        ("tests/test_train.py::TestDpo::test_a[50.0-nats::a token]", "test_train.py"),
        ("tests/test_hostile.py::test_a[bwrap-crash_abort]", "test_hostile.py bwrap"),
        ("tests/test_hostile.py::test_nothing_is_left_on_the_host[landlock]", "test_hostile.py landlock"),
        ("tests/test_hostile.py::test_a[uid-crash_abort]", "uid"),
        ("tests/sandbox/test_conformance.py::test_a[uid]", "uid"),
        ("tests/sandbox/test_conformance.py::test_the_probe_names_every_level", "uid"),
        ("tests/sandbox/test_ladder.py::test_a", "uid"),
        ("tests/test_e2e.py::test_a", "models"),
        ("tests/test_generate.py::test_a[crash-expected1]", "models"),
        ("tests/sandbox/test_overload.py::test_a", "alone"),
    ],
)
def test_a_test_is_part_of_the_unit_of_what_it_cannot_run_beside(nodeid: str, name: str) -> None:
    assert unit(nodeid) == name


def test_long_units_begin_first_and_what_is_alone_comes_last() -> None:
    names = ["test_gate.py", "alone", "uid", "test_hostile.py landlock", "models", "test_hostile.py bwrap"]
    assert sorted(names, key=place) == [
        "models",
        "test_hostile.py landlock",
        "test_hostile.py bwrap",
        "uid",
        "test_gate.py",
        "alone",
    ]
