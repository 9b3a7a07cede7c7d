"""Which rows a training sees, in which order, and which of them make up a step; plain arithmetic, no model library.

The order is fixed before training and the same in every epoch, so that reference log-probabilities can be computed on
the very batches that are trained on (the first step's reward margin is then exactly 0), and a restart sees the same
rows. DPO puts pairs of like length together, which saves padding, and shuffles the batches. KTO needs rows of different
prompts side by side (its KL term pairs each prompt with a neighbour's reply), so its rows are only shuffled.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from selfplay.sections import Train
from selfplay.train import Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens of an example, before anything is cut."""

    prompt: int
    chosen: int
    rejected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is known about the rows before training; sides are "chosen" and "rejected"."""

    tokens: list[int]
    """Prompt and reply tokens of each row, after the cut."""
    reply_tokens: dict[str, dict[int, int]]
    """Reply tokens after the cut, by side and row."""
    start: dict[str, dict[int, float]]
    """Log-probability of the reply under the policy that training starts from, nats, by side and row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The rows of every step."""

    rows: int
    """Rows of an epoch: pairs (DPO) or single replies (KTO)."""
    piece: int
    """Rows on the device at once."""
    accumulation: int
    """Pieces in an optimiser step."""

    @property
    def steps_an_epoch(self) -> int:
        """Optimiser steps of an epoch."""
        return -(-self.rows // (self.piece * self.accumulation))

    def pieces(self, step: int) -> list[range]:
        """Return the row numbers of each piece of a step; steps count from 1, and every epoch begins a new step."""
        starts = range(0, self.rows, self.piece)
        first = (step - 1) % self.steps_an_epoch * self.accumulation
        return [range(at, min(at + self.piece, self.rows)) for at in starts[first : first + self.accumulation]]


def pair_order(lengths: Sequence[Lengths], batch_size: int, seed: int) -> list[int]:
    """Return the order in which DPO sees its pairs: batches of like length, in a random order.

    A batch that is not full comes last, where it cannot shift the others.
    """
    rng = random.Random(seed)  # noqa: S311  an order, not a secret
    order = list(range(len(lengths)))
    rng.shuffle(order)
    order.sort(key=lambda i: lengths[i].prompt + max(lengths[i].chosen, lengths[i].rejected))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    last = [batches.pop()] if batches and len(batches[-1]) < batch_size else []
    rng.shuffle(batches)
    return [i for batch in batches + last for i in batch]


def reply_order(pairs: int, seed: int) -> list[tuple[int, bool]]:
    """Return the order in which KTO sees single replies: (pair, whether it is the chosen one), shuffled."""
    order = [(i, desirable) for i in range(pairs) for desirable in (True, False)]
    random.Random(seed).shuffle(order)  # noqa: S311  an order, not a secret
    return order


def piecewise_mean(values: Mapping[int, float], pieces: Sequence[range]) -> float | None:
    """Return the mean over pieces of the mean over the piece's rows that have a value, as TRL averages what it logs.

    None where no row of any piece has a value.
    """
    means = [fmean(values[i] for i in piece if i in values) for piece in pieces if any(i in values for i in piece)]
    return fmean(means) if means else None


def in_order(
    examples: Sequence[Example], lengths: Sequence[Lengths], section: Train, seed: int
) -> list[dict[str, Any]]:
    """Return the rows in training order, as TRL reads them.

    Examples whose prompt leaves no room for a reply are left out.
    """
    fitting = [i for i, size in enumerate(lengths) if size.prompt < section.max_length]

    def answer(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    def pair(example: Example) -> dict[str, Any]:
        prompt = [dict(message) for message in example["prompt"]]
        return {"prompt": prompt, "chosen": answer(example["chosen"]), "rejected": answer(example["rejected"])}

    if section.method == "dpo":
        order = pair_order([lengths[i] for i in fitting], section.batch_size, seed)
        return [pair(examples[fitting[i]]) for i in order]
    return [
        {"prompt": row["prompt"], "completion": row["chosen" if desirable else "rejected"], "label": desirable}
        for i, desirable in reply_order(len(fitting), seed)
        for row in [pair(examples[fitting[i]])]
    ]


def rows_of(data: Iterable[Mapping[str, Any]], start: Mapping[str, Sequence[float]], section: Train) -> Rows:
    """Return what is known about TRL's rows.

    Args:
        data: Rows with `prompt_ids` and either `chosen_ids` and `rejected_ids`, or `completion_ids` and `label`.
        start: Log-probabilities of every row, by TRL's column.
        section: Says where rows are cut.
    """
    rows = Rows(tokens=[], reply_tokens={"chosen": {}, "rejected": {}}, start={"chosen": {}, "rejected": {}})
    for number, row in enumerate(data):
        prompt, total = len(row["prompt_ids"]), 0
        single = "label" in row
        for side in ["chosen" if row["label"] else "rejected"] if single else ["chosen", "rejected"]:
            reply = row["completion_ids" if single else f"{side}_ids"]
            tokens = min(len(reply), section.max_length - prompt)
            rows.reply_tokens[side][number] = tokens
            rows.start[side][number] = start["ref_logps" if single else f"ref_{side}_logps"][number]
            total += prompt + tokens
        rows.tokens.append(total)
    return rows
