"""Sandboxes for the tests of this folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox import LEVELS, Limits, Sandbox, SandboxUnavailable

from ..readable import make_readable

LIMITS = Limits(wall_s=3.0, cpu_s=6, memory_bytes=256 * 2**20)

BRIEF = replace(LIMITS, wall_s=1.0)
"""Where many programs run until their time is over."""


def open_or_skip(level: str, workers: int = 1, limits: Limits = LIMITS) -> Sandbox:
    """Return a sandbox at that level, or skip the test saying what the host lacks."""
    try:
        return Sandbox(workers=workers, level=level, limits=limits)
    except SandboxUnavailable as error:
        pytest.skip(f"this host has no isolation at level {level}: {error}")


@pytest.fixture(scope="module", params=LEVELS)
def box(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """One sandbox of each level that this host has."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if request.param == "uid" and os.geteuid() == 0:
            make_readable(Path(folder), patch)
        with open_or_skip(request.param, limits=BRIEF) as made:
            yield made


@pytest.fixture(scope="module")
def strong() -> Iterator[Sandbox]:
    """A sandbox at the strongest level, with two workers."""
    with open_or_skip("bwrap", workers=2) as made:
        yield made
