"""A run's pairs for other trainers: read back by the library that they are for."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pytest
from typer.testing import CliRunner

from run_loop import app
from selfplay import config, dataset
from selfplay.train import Example
from selfplay.train_rows import Lengths, in_order
from state.records import Pair
from state.store import Store
from tests.state import rows


@pytest.fixture
def exported(promoted: Path) -> Path:
    """The folder of an export of run `a`."""
    assert dataset.write_pairs("a", promoted, promoted / "out") == 0
    return promoted / "out"


def test_pairs_are_read_back_as_trl_wants_them(exported: Path, promoted: Path, tmp_path: Path) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        pairs = store.all(Pair)
    assert pairs
    wanted = [
        {
            "prompt": json.loads(pair.prompt),
            "chosen": [{"role": "assistant", "content": pair.chosen}],
            "rejected": [{"role": "assistant", "content": pair.rejected}],
        }
        for pair in pairs
    ]
    loaded = datasets.load_dataset(str(exported), "preference", split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.to_list() == wanted
    assert loaded.column_names == ["prompt", "chosen", "rejected"]
    assert datasets.load_from_disk(str(exported / "preference")).to_list() == wanted
    default = datasets.load_dataset(str(exported), split="train", cache_dir=str(tmp_path / "cache"))
    assert default.to_list() == wanted
    assert [json.loads(line) for line in (exported / "preference.jsonl").read_text().splitlines()] == wanted


def test_single_replies_are_read_back_for_kto(exported: Path, promoted: Path, tmp_path: Path) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        pairs = store.all(Pair)
    loaded = datasets.load_dataset(str(exported), "kto", split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.column_names == ["prompt", "completion", "label"]
    found = {(row["completion"][0]["content"], row["label"], row["prompt"][0]["content"]) for row in loaded}
    asked = {pair.id: json.loads(pair.prompt)[0]["content"] for pair in pairs}
    assert found == {(pair.chosen, True, asked[pair.id]) for pair in pairs} | {
        (pair.rejected, False, asked[pair.id]) for pair in pairs
    }
    assert len(loaded) == 2 * len(pairs)
    labels = loaded["label"][:]
    assert labels != [True, False] * len(pairs)
    assert datasets.load_from_disk(str(exported / "kto")).to_list() == loaded.to_list()


@pytest.mark.parametrize("method", ["dpo", "kto"])
def test_rows_have_the_form_of_those_that_the_loop_trains_on(promoted: Path, method: str) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        pairs, made = store.all(Pair), dataset.export(store)
    examples: list[Example] = [
        {"prompt": json.loads(pair.prompt), "chosen": pair.chosen, "rejected": pair.rejected} for pair in pairs
    ]
    section = config.load("smoke", (f"train.method={method}",)).train
    lengths = [Lengths(prompt=1, chosen=1, rejected=1)] * len(pairs)
    trained = in_order(examples, lengths, section, seed=0)
    exported = made.preference if method == "dpo" else made.kto
    if method == "kto":
        assert trained == list(exported)
    else:  # DPO's trainer shuffles, so the export keeps the order of rounds
        assert sorted(map(repr, trained)) == sorted(map(repr, exported))


def test_every_pair_says_where_it_comes_from(exported: Path, promoted: Path) -> None:
    with Store.open(promoted / "a" / "run.db", read_only=True) as store:
        pairs = store.all(Pair)
    origins = [json.loads(line) for line in (exported / "origins.jsonl").read_text().splitlines()]
    assert [row["pair"] for row in origins] == [pair.id for pair in pairs]
    assert {row["round"] for row in origins} == {1, 2}
    assert [row["chosen_right"] for row in origins] == [pair.chosen_right for pair in pairs]
    card = (exported / "README.md").read_text()
    assert f"{len(pairs)} preference pairs from 2 rounds" in card


def test_a_folder_with_something_in_it_is_left_alone(promoted: Path, capfd: pytest.CaptureFixture[str]) -> None:
    full = promoted / "full"
    full.mkdir()
    (full / "mine").write_text("mine")
    assert dataset.write_pairs("a", promoted, full) == 2
    assert "is not an empty folder" in capfd.readouterr().err
    assert [path.name for path in full.iterdir()] == ["mine"]
    (promoted / "empty").mkdir()
    assert dataset.write_pairs("a", promoted, promoted / "empty") == 0


def test_a_run_without_pairs_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Store.open(tmp_path / "a" / "run.db", create=True) as store:
        store.add(rows.run(), rows.problem())
    assert dataset.write_pairs("a", tmp_path, tmp_path / "out") == 2
    assert "has no pairs yet" in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_command_says_where_the_pairs_are(promoted: Path) -> None:
    out = promoted / "new" / "out"
    done = CliRunner().invoke(app, ["pairs", "--run", "a", "--runs-dir", str(promoted), "--out", str(out)])
    assert done.exit_code == 0
    assert f"{out}  (" in done.output
    absent = CliRunner().invoke(app, ["pairs", "--run", "nobody", "--runs-dir", str(promoted), "--out", "x"])
    assert absent.exit_code == 2
