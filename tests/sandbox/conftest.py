"""Sandboxes for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import LEVELS, Limits, Sandbox, SandboxUnavailable

LIMITS = Limits(wall_s=3.0, cpu_s=6, memory_bytes=256 * 2**20)


def open_or_skip(level: str, workers: int = 1, limits: Limits = LIMITS) -> Sandbox:
    """Return a sandbox at that level, or skip the test saying what the host lacks."""
    try:
        return Sandbox(workers=workers, level=level, limits=limits)
    except SandboxUnavailable as error:
        pytest.skip(f"this host has no isolation at level {level}: {error}")


@pytest.fixture(scope="module", params=LEVELS)
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One sandbox of each level that this host has."""
    with open_or_skip(request.param) as made:
        yield made


@pytest.fixture(scope="module")
def strong() -> Iterator[Sandbox]:
    """A sandbox at the strongest level, with two workers."""
    with open_or_skip("bwrap", workers=2) as made:
        yield made
