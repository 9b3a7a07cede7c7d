"""`run_loop.py pairs`: a run's pairs for other trainers, in TRL's own formats.

A folder that `datasets.load_dataset(DIR, "preference")` and `datasets.load_from_disk(DIR / "preference")` read:

    README.md          names the files, the run and its model (a dataset card)
    preference.jsonl   prompt, chosen, rejected: conversational, for DPOTrainer and RewardTrainer
    kto.jsonl          prompt, completion, label: every pair as two rows, shuffled, for KTOTrainer
    origins.jsonl      where each row of preference.jsonl comes from, in the same order
    preference/, kto/  the same rows as Arrow

KTO's rows are shuffled because its trainer keeps their order and pairs neighbours in its KL term (train_rows.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from selfplay.commands import OK, guarded, stored
from selfplay.errors import UserError
from selfplay.new_folder import vacant, whole
from selfplay.train_rows import reply_order
from state.records import Pair, Problem, Round, Run
from state.store import Store

Json = str | int | bool | None | Sequence["Json"] | Mapping[str, "Json"]
Row = Mapping[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The rows of each file."""

    preference: tuple[Row, ...]
    kto: tuple[Row, ...]
    origins: tuple[Row, ...]


def write_pairs(name: str, runs_dir: Path, out: Path) -> int:
    """Write a run's pairs into a new folder, whole or not at all.

    Args:
        name: The run.
        runs_dir: Folder that holds the runs.
        out: Folder to make; it may exist if it is empty.
    """

    def write() -> int:
        folder = vacant(out, "--out")
        with stored(name, runs_dir) as store, store.one_moment():
            run, rows = store.all(Run)[0], export(store)
        if not rows.preference:
            raise UserError(f"run {name!r} has no pairs yet; `status --run {name}` tells how far it is")
        with whole(folder) as fresh:
            _write(fresh, run, rows)
        Console(soft_wrap=True).print(Text(f"{folder}  ({len(rows.preference)} pairs)"))
        return OK

    return guarded(write)


def export(store: Store) -> Export:
    """Return every pair of a run, by round and problem."""
    numbers = {turn.id: turn.number for turn in store.all(Round)}
    names = {problem.id: problem.entry_point for problem in store.all(Problem)}
    pairs = store.all(Pair)
    preference: list[Row] = [
        {"prompt": json.loads(pair.prompt), "chosen": _answer(pair.chosen), "rejected": _answer(pair.rejected)}
        for pair in pairs
    ]
    kto: list[Row] = [
        {
            "prompt": preference[at]["prompt"],
            "completion": preference[at]["chosen" if desirable else "rejected"],
            "label": desirable,
        }
        for at, desirable in reply_order(len(pairs), seed=0)
    ]
    return Export(
        preference=tuple(preference),
        kto=tuple(kto),
        origins=tuple(_origin(pair, numbers[pair.round_id], names[pair.problem_id]) for pair in pairs),
    )


def _answer(text: str) -> list[Json]:
    return [{"role": "assistant", "content": text}]


def _origin(pair: Pair, number: int, entry_point: str | None) -> Row:
    return {
        "pair": pair.id,
        "round": number,
        "problem": pair.problem_id,
        "entry_point": entry_point,
        "rule": pair.rule,
        "chosen_code": pair.chosen_code_id,
        "chosen_test": pair.chosen_test_id,
        "rejected_code": pair.rejected_code_id,
        "rejected_test": pair.rejected_test_id,
        "chosen_right": pair.chosen_right,
        "rejected_right": pair.rejected_right,
    }


def _write(folder: Path, run: Run, rows: Export) -> None:
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    (folder / "README.md").write_text(_card(run, rows), encoding="utf-8")
    _lines(folder / "origins.jsonl", rows.origins)
    for name, found in (("preference", rows.preference), ("kto", rows.kto)):
        _lines(folder / f"{name}.jsonl", found)
        Dataset.from_list(list(found)).save_to_disk(folder / name)


def _lines(path: Path, rows: Iterable[Row]) -> None:
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)


def _card(run: Run, rows: Export) -> str:
    """Return the dataset card: what `load_dataset` needs to know, then what a reader does."""
    rounds = len({row["round"] for row in rows.origins})
    counted = f"{len(rows.preference)} preference pairs from {rounds} {'round' if rounds == 1 else 'rounds'}"
    return f"""---
configs:
- config_name: preference
  default: true
  data_files: preference.jsonl
- config_name: kto
  data_files: kto.jsonl
- config_name: origins
  data_files: origins.jsonl
---

# Pairs of the run {run.name}

{counted} of a selfplay run that began with {run.model} (code {run.code_version}).
Code and tests were written by the model itself and chosen by running them against each other: each chosen code passes
its test, each rejected code fails its test. Nobody has read them; `origins.jsonl` says which are right by hidden
reference tests, where there are any.

    from datasets import load_dataset
    pairs = load_dataset("DIR", "preference", split="train")   # prompt, chosen, rejected: TRL's DPOTrainer
    rows = load_dataset("DIR", "kto", split="train")           # prompt, completion, label: TRL's KTOTrainer
"""
