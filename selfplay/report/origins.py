"""Where an adapter comes from: its parents, their pairs, and of each pair the executions, samples, replies, problem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from state.records import Adapter, Execution, Pair, Problem, Reply, Sample
from state.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleOrigin:
    """A sample and the reply that it was parsed out of."""

    sample: Sample
    reply: Reply | None
    """None where the reply is no longer kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SideOrigin:
    """One side of a pair."""

    side: str
    """"chosen" | "rejected"."""
    code: SampleOrigin
    test: SampleOrigin
    execution: Execution | None
    """The run of this code against this test; None where it is no longer kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOrigin:
    """A pair that an adapter was trained on."""

    pair: Pair
    problem: Problem
    sides: tuple[SideOrigin, SideOrigin]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterOrigin:
    """An adapter and everything that it was trained on."""

    adapter: Adapter
    round_number: int
    parent_round: int
    """Round of the adapter that training started from; 0 is the base model."""
    pairs: tuple[PairOrigin, ...]


def lineage(
    store: Store, adapter_id: str, adapters: Mapping[str, Adapter], numbers: Mapping[str, int]
) -> tuple[AdapterOrigin, ...]:
    """Return an adapter's origins, its own first and then its parents' back to the base model.

    Args:
        store: The run's database.
        adapter_id: Where to begin.
        adapters: Every adapter by id.
        numbers: Round id -> number.
    """
    problems = {problem.id: problem for problem in store.all(Problem)}
    found: list[AdapterOrigin] = []
    next_id: str | None = adapter_id
    while next_id is not None:
        adapter = adapters[next_id]
        parent = adapters[adapter.parent_id] if adapter.parent_id else None
        found.append(
            AdapterOrigin(
                adapter=adapter,
                round_number=numbers[adapter.round_id],
                parent_round=numbers[parent.round_id] if parent else 0,
                pairs=tuple(
                    _pair(store, pair, problems[pair.problem_id]) for pair in store.all(Pair, round_id=adapter.round_id)
                ),
            )
        )
        next_id = adapter.parent_id
    return tuple(found)


def _pair(store: Store, pair: Pair, problem: Problem) -> PairOrigin:
    return PairOrigin(
        pair=pair,
        problem=problem,
        sides=(
            _side(store, pair, "chosen", pair.chosen_code_id, pair.chosen_test_id),
            _side(store, pair, "rejected", pair.rejected_code_id, pair.rejected_test_id),
        ),
    )


def _side(store: Store, pair: Pair, side: str, code_id: str, test_id: str) -> SideOrigin:
    executions = store.all(
        Execution, round_id=pair.round_id, problem_id=pair.problem_id, role="cell", code_id=code_id, test_id=test_id
    )
    return SideOrigin(
        side=side,
        code=_sample(store, code_id),
        test=_sample(store, test_id),
        execution=executions[0] if executions else None,
    )


def _sample(store: Store, sample_id: str) -> SampleOrigin:
    sample = store.get(Sample, sample_id)
    if sample is None:  # a foreign key of pairs
        raise LookupError(f"sample {sample_id} of a stored pair is gone")
    return SampleOrigin(sample=sample, reply=store.get(Reply, sample.reply_id))
