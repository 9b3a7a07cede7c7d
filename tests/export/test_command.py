"""`run_loop.py export` as a user meets it: what is in the folder, and what is refused, with nothing written."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from run_loop import app
from selfplay.export.base import of_run
from selfplay.export.command import export_run
from selfplay.sections import Model
from selfplay.train import adapter_sha256
from state.records import Adapter, Promotion, Run
from state.store import Store
from tests.export.runs import adapter_of, readable_adapters


@pytest.fixture
def runs(promoted: Path) -> Path:
    """A runs folder whose run `a` has a champion, round 1, and a candidate that was kept out, round 2."""
    readable_adapters(promoted)
    return promoted


def export(runs: Path, adapter: str | None = None, to: str = "out", *, merged: bool = False, gguf: bool = False) -> int:
    return export_run("a", runs, adapter, runs / to, merged=merged, as_gguf=gguf)


def refused(runs: Path, capfd: pytest.CaptureFixture[str], adapter: str | None, code: int = 2) -> str:
    """Return the message of an export that must end with an exit code and write nothing."""
    before = sorted(path.name for path in runs.iterdir())
    assert export(runs, adapter) == code
    assert sorted(path.name for path in runs.iterdir()) == before
    return " ".join(capfd.readouterr().err.split())


def test_the_champions_adapter_is_a_peft_folder_that_names_its_base(runs: Path) -> None:
    done = CliRunner().invoke(app, ["export", "--run", "a", "--runs-dir", str(runs), "--to", str(runs / "new" / "out")])
    assert done.exit_code == 0, done.output
    out = runs / "new" / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ]
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]
    told = json.loads((out / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert (told["peft_type"], told["r"], told["revision"]) == ("LORA", 8, None)
    source = runs / "a" / "adapters" / "round-0001"
    assert (out / "adapter_model.safetensors").read_bytes() == (source / "adapter_model.safetensors").read_bytes()
    assert (out / "README.md").read_text().startswith("---\nbase_model: HuggingFaceTB/SmolLM2-135M-Instruct\n")
    assert f"{out / 'adapter_model.safetensors'}  (" in done.output


@pytest.mark.parametrize("form", ["round-2", "2", "round-0002", "id", "prefix"])
def test_an_adapter_is_named_by_its_round_or_its_id(runs: Path, form: str) -> None:
    adapter = adapter_of(runs, 2)
    assert export(runs, {"id": adapter.id, "prefix": adapter.id[:9]}.get(form, form)) == 0
    assert f"| adapter | `{adapter.id}` |" in (runs / "out" / "README.md").read_text()


def test_a_name_that_fits_no_adapter_is_refused_with_those_that_there_are(
    runs: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for wanted in ("round-3", "nothing", ""):
        message = refused(runs, capfd, wanted)
        assert f"no adapter {wanted!r}" in message
        for number, outcome in ((1, "promoted"), (2, "kept")):
            assert f"round-{number} ({adapter_of(runs, number).id}, {outcome})" in message


def test_the_beginning_of_two_ids_is_refused(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    first, second = (adapter_of(runs, number).id for number in (1, 2))
    twin = first[:4] + "0" * 12
    with sqlite3.connect(runs / "a" / "run.db") as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE adapters SET id = ? WHERE id = ?", (twin, second))
    connection.close()
    message = refused(runs, capfd, first[:4])
    assert "more than one adapter's id" in message
    assert twin in message


def test_where_the_base_model_leads_candidates_are_named(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(runs / "a" / "run.db") as store:
        for promotion in store.all(Promotion):
            store.replace(dataclasses.replace(promotion, promoted=False))
    message = refused(runs, capfd, None)
    assert "the base model leads" in message
    assert "--adapter; there are: round-1 (" in message
    assert export(runs, "round-1") == 0


def test_an_adapter_whose_files_were_removed_is_refused(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(runs / "a" / "run.db") as store:
        store.replace(dataclasses.replace(adapter_of(runs, 2), path=None))
    message = refused(runs, capfd, "round-2")
    assert "the files of the adapter of round 2" in message
    assert "were removed" in message
    assert "there are: round-1 (" in message


def test_an_adapter_that_was_never_trained_is_none(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(runs / "a" / "run.db") as store:
        store.replace(dataclasses.replace(adapter_of(runs, 2), path=None, sha256=None, outcome="diverged"))
    assert "no adapter 'round-2' that was trained" in refused(runs, capfd, "round-2")


@pytest.mark.parametrize("fault", ["changed", "gone"])
def test_an_adapter_whose_files_are_others_is_the_machines_fault(
    runs: Path, capfd: pytest.CaptureFixture[str], fault: str
) -> None:
    file = runs / "a" / "adapters" / "round-0001" / "adapter_model.safetensors"
    if fault == "changed":
        file.write_bytes(file.read_bytes() + b"x")
    else:
        file.unlink()
    message = refused(runs, capfd, None, code=3)
    assert str(file.parent) in message
    assert ("has changed since it was trained" if fault == "changed" else "cannot be read") in message


def test_a_folder_with_something_in_it_is_left_alone(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (runs / "out").mkdir()
    (runs / "out" / "mine").write_text("mine")
    assert "is not an empty folder; name another one with --to" in refused(runs, capfd, None)
    assert [path.name for path in (runs / "out").iterdir()] == ["mine"]
    (runs / "empty").mkdir()
    assert export(runs, to="empty") == 0


def test_two_kinds_in_one_folder_are_refused(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert export(runs, merged=True, gguf=True) == 2
    assert "export twice" in capfd.readouterr().err
    assert not (runs / "out").exists()


def test_a_failure_half_way_leaves_nothing(runs: Path, capfd: pytest.CaptureFixture[str]) -> None:
    settings = runs / "a" / "adapters" / "round-0001" / "adapter_config.json"
    settings.write_text("[]")  # no config, though the one that the database knows: found once the folder is begun
    with Store.open(runs / "a" / "run.db") as store:
        store.replace(dataclasses.replace(adapter_of(runs, 1), sha256=adapter_sha256(settings.parent)))
    with pytest.raises(TypeError):
        export(runs)
    assert sorted(path.name for path in runs.iterdir() if "out" in path.name) == []
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("kind", ["merged", "gguf"])
def test_other_base_weights_than_the_runs_are_not_merged(
    runs: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    from tests.test_models import write_model

    folder = write_model(tmp_path / "mine")
    monkeypatch.setenv("SELFPLAY_CACHE_DIR", str(tmp_path / "cache"))
    with Store.open(runs / "a" / "run.db") as store:
        run = store.all(Run)[0]
        settings = json.loads(run.config)
        settings["model"]["name"] = str(folder)
        store.replace(dataclasses.replace(run, model=str(folder), config=json.dumps(settings)))
    before = sorted(path.name for path in runs.iterdir())
    assert export(runs, merged=kind == "merged", gguf=kind == "gguf") == 2
    assert "stands for others (folder:" in " ".join(capfd.readouterr().err.split())
    assert sorted(path.name for path in runs.iterdir()) == before


@pytest.mark.parametrize(
    ("model", "hub", "name"),
    [
        ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "HuggingFaceTB/SmolLM2-135M-Instruct"),
        ("owner/name", "owner/name", "owner/name"),
        ("FOLDER", None, "FOLDER"),
        ("models/mine.gguf", None, "models/mine.gguf"),
    ],
)
def test_the_base_is_named_as_a_stranger_finds_it(
    runs: Path, tmp_path: Path, model: str, hub: str | None, name: str
) -> None:
    model, name = (text.replace("FOLDER", str(tmp_path)) for text in (model, name))
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        run = dataclasses.replace(store.all(Run)[0], model=model)
    base = of_run(run, Model(name=model, revision="v1"), None)
    assert (base.hub, base.name, base.revision, base.source) == (hub, name, "v1", None)
    assert not base.from_package


def test_the_run_is_as_it_was(runs: Path) -> None:
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        before = store.all(Adapter)
    assert export(runs) == 0
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        assert store.all(Adapter) == before
    assert adapter_sha256(runs / "a" / "adapters" / "round-0001") == adapter_of(runs, 1).sha256
