"""Which config a command line means, for a new run and for one that goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from selfplay import config
from selfplay.machine import preset_for
from selfplay.startup import Wanted, resolve_config
from state.records import Run

GIB = 1024**3


def wanted(**fields: object) -> Wanted:
    return Wanted(**{"rounds": 1, "run": "a", "runs_dir": Path("runs"), **fields})  # type: ignore[arg-type]


def stored(settings: config.Config) -> Run:
    return Run(
        id="r",
        name="a",
        created_at="2026-01-01T00:00:00+00:00",
        config=config.to_json(settings),
        code_version="0",
        packages="{}",
        host="{}",
        model="m",
        model_sha256="s",
        data_sha256="d",
        rounds=1,
    )


@pytest.mark.parametrize("preset", [None, "auto"])
def test_auto_is_what_this_machine_can_carry(preset: str | None) -> None:
    assert resolve_config(wanted(preset=preset), None) == config.load(preset_for())


def test_a_run_that_goes_on_keeps_its_settings() -> None:
    before = config.load("smoke", ["train.beta=0.3"])
    assert resolve_config(wanted(), stored(before)) == before


def test_a_run_that_goes_on_hears_what_is_asked_for_now() -> None:
    before = config.load("smoke")
    assert resolve_config(wanted(overrides=("train.beta=0.3",)), stored(before)).train.beta == 0.3


def test_a_problem_file_is_remembered_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_config(wanted(problems="mine.jsonl"), None).problems.source == str(tmp_path / "mine.jsonl")
