"""The published benchmark files, for tests that need them whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from selfplay.benchmark_files import DATA_DIR_VARIABLE

needs_data = pytest.mark.skipif(
    not os.environ.get(DATA_DIR_VARIABLE), reason=f"{DATA_DIR_VARIABLE} is not set: it names the folder of data files"
)


def data_dir() -> Path:
    return Path(os.environ[DATA_DIR_VARIABLE])
