"""The Hugging Face model card of an export: every figure is one of the report's, read from the run's database.

Front matter comes from `huggingface_hub`, the body from templates/card.md.j2, whose numbers all pass through one
function: a test reads them by their keys, those of the report.

There is no `model-index`: the hub would show scores without their intervals, and without the word "selected".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from selfplay.config import Config
from selfplay.export.base import Base
from selfplay.generate import LORA_RANKS
from selfplay.report.facts import Facts, Turn
from selfplay.report.figures import FORMATS
from selfplay.report.source import visible
from selfplay.report.standings import BenchmarkView, Gain, Standing, gain_over
from selfplay.scoring import decoding

_TOLD = ("seed", "model", "problems", "generate", "select", "train", "benchmark", "gate")
_PATHS = ("model.name", "problems.source", "benchmark.data_dir")
"""Settings that may name a folder of whoever played the run; what they say that matters is told elsewhere."""
TEMPLATES = Path(__file__).parent / "templates"

Figure = Callable[[str, float | None, str], str]
"""Writes a number: (key, value, one of figures.FORMATS)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The exported weights on one benchmark, beside the base model."""

    view: BenchmarkView
    base: Standing | None
    own: Standing | None
    """None where nothing was scored."""

    @property
    def gain(self) -> Gain | None:
        """Over the base model; None where it was cut short, whose tasks are not all."""
        return gain_over(self.base, self.own) if self.own is not None and self.own.complete else None


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of weights."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What the card is about."""

    kind: Literal["adapter", "merged", "gguf"]
    name: str
    """What the model is called, such as "first-round-3"."""
    facts: Facts
    settings: Config
    turn: Turn
    """The round that trained the adapter."""
    base: Base
    files: tuple[File, ...]

    @property
    def chain(self) -> tuple[Turn, ...]:
        """The rounds that trained the adapter and its parents, the first of them first."""
        trained = {turn.adapter.id: turn for turn in self.facts.turns if turn.adapter is not None}
        found = [self.turn]
        while (adapter := found[0].adapter) is not None and adapter.parent_id is not None:
            found.insert(0, trained[adapter.parent_id])
        return tuple(found)

    @property
    def measured(self) -> tuple[Measured, ...]:
        """Every benchmark of the run that has scores."""
        return tuple(
            Measured(view=view, base=view.of_round(0), own=view.of_round(self.turn.number))
            for view in self.facts.benchmarks
        )

    @property
    def standing(self) -> str:
        """What became of it: "champion", "promoted" (and replaced since), "kept", "abandoned", or "open"."""
        if self.turn.promotion is not None and self.turn.promotion.promoted:
            return "champion" if self.turn.number == self.facts.champion else "promoted"
        return self.turn.round.outcome or "open"

    @property
    def hyperparameters(self) -> tuple[tuple[str, str], ...]:
        """Every setting that has a part in the result, paths of the machine apart."""
        return tuple(
            (each.key, each.value)
            for each in self.facts.settings
            if each.key.partition(".")[0] in _TOLD and each.key not in _PATHS
        )

    @property
    def lora_rank(self) -> int:
        """The smallest `--max-lora-rank` of vLLM that is enough."""
        return next(rank for rank in LORA_RANKS if rank >= self.settings.train.lora_rank)


def plain(_key: str, value: float | None, form: str = "count") -> str:
    """Return a number as the report writes it, or a dash where it is not known."""
    return "–" if value is None else FORMATS[form](value)  # noqa: RUF001  (a dash is meant)


def front_matter(card: Card) -> str:
    """Return the YAML that the hub reads."""
    from huggingface_hub import ModelCardData

    adapter = card.kind == "adapter"
    tags = ["selfplay", card.turn.adapter.method if card.turn.adapter else None, "code", "lora" if adapter else None]
    data = ModelCardData(
        base_model=card.base.hub,
        library_name={"adapter": "peft", "merged": "transformers", "gguf": "gguf"}[card.kind],
        license=card.base.licence,
        pipeline_tag="text-generation",
        tags=[tag for tag in [*tags, "gguf" if card.kind == "gguf" else None] if tag],
        base_model_relation=("adapter" if adapter else "finetune") if card.base.hub else None,
    )
    return data.to_yaml()


def render(card: Card, figure: Figure = plain) -> str:
    """Return the card as Markdown.

    Args:
        card: What it says.
        figure: Writes each number.
    """

    def counted(key: str, value: int, one: str, many: str | None = None) -> str:
        return f"{figure(key, value, 'count')} {one if value == 1 else many or f'{one}s'}"

    def interval(key: str, bounds: tuple[float, float] | None, form: str = "percent") -> str:
        if bounds is None:
            return ""
        low, high = (figure(f"{key}.{end}", value, form) for end, value in zip(("low", "high"), bounds, strict=True))
        return f"[{low}, {high}]"

    def who(number: int) -> str:
        return f"the adapter of round {figure(f'number.{number}', number, 'count')}" if number else "the base model"

    text = _environment().get_template("card.md.j2").render(
        card=card, facts=card.facts, run=card.facts.run, turn=card.turn, base=card.base, front=front_matter(card),
        decoding=decoding(card.settings.benchmark), n=lambda key, value, form="count": figure(key, value, form),
        counted=counted, interval=interval, who=who,
    )  # fmt: skip
    return text.rstrip() + "\n"


@cache
def _environment() -> Environment:
    environment = Environment(  # noqa: S701  (Markdown, of numbers and names; nothing that a model wrote)
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["visible"] = visible
    return environment
