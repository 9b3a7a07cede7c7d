"""The order of rows, the pieces of a step, and what counts as a collapse: plain arithmetic."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.sections import Train
from selfplay.train import Step
from selfplay.train_rows import Lengths, Plan, Rows, in_order, pair_order, piecewise_mean, reply_order, rows_of
from selfplay.train_watch import Watch

SIZES = st.lists(st.integers(1, 50), min_size=1, max_size=30)


@given(SIZES, st.integers(1, 5), st.integers(0, 9))
def test_dpo_sees_every_pair_once_in_batches_of_like_length(sizes: list[int], batch: int, seed: int) -> None:
    order = pair_order([Lengths(prompt=1, chosen=size, rejected=1) for size in sizes], batch, seed)
    assert sorted(order) == list(range(len(sizes)))
    batches = [sorted(sizes[i] for i in order[at : at + batch]) for at in range(0, len(order), batch)]
    assert [size for group in sorted(batches) for size in group] == sorted(sizes)


def test_another_seed_is_another_order() -> None:
    sizes = [Lengths(prompt=1, chosen=1, rejected=1)] * 12
    assert pair_order(sizes, 2, 0) == pair_order(sizes, 2, 0) != pair_order(sizes, 2, 1)
    assert reply_order(12, 0) == reply_order(12, 0) != reply_order(12, 1)
    assert sorted(reply_order(3, 0)) == [(i, side) for i in range(3) for side in (False, True)]


def test_batches_do_not_come_in_order_of_length() -> None:
    order = pair_order([Lengths(prompt=1, chosen=size, rejected=1) for size in range(13)], 2, 0)
    assert order[:12] != sorted(order[:12])
    assert [set(order[at : at + 2]) for at in range(0, 12, 2)] != [{at, at + 1} for at in range(0, 12, 2)]
    assert order[12] == 12


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_an_epoch_of_steps_holds_every_row_once_and_then_begins_again(rows: int, piece: int, accumulation: int) -> None:
    plan = Plan(rows=rows, piece=piece, accumulation=accumulation)
    steps = [plan.pieces(step) for step in range(1, plan.steps_an_epoch + 1)]
    assert [row for pieces in steps for rows_ in pieces for row in rows_] == list(range(rows))
    assert all(1 <= len(pieces) <= accumulation for pieces in steps)
    assert plan.pieces(plan.steps_an_epoch + 1) == plan.pieces(1)


def test_a_mean_of_pieces_weighs_pieces_alike_and_skips_those_without_a_value() -> None:
    """Pieces {1, 3}, {8} and {}: (2 + 8) / 2 = 5, where the mean of the values is 4."""
    assert piecewise_mean({0: 1.0, 1: 3.0, 2: 8.0}, [range(2), range(2, 3), range(3, 5)]) == 5.0
    assert piecewise_mean({}, [range(2)]) is None


def test_prompts_that_leave_no_room_are_left_out_and_replies_are_cut() -> None:
    section = Train(max_length=64)
    prompt = [{"role": "user", "content": "?"}]
    examples = [{"prompt": prompt, "chosen": str(i), "rejected": "no"} for i in range(2)]
    sizes = [Lengths(prompt=64, chosen=1, rejected=1), Lengths(prompt=60, chosen=9, rejected=2)]
    table = in_order(examples, sizes, section, 0)  # type: ignore[arg-type]
    assert [row["chosen"][0]["content"] for row in table] == ["1"]
    data = [{"prompt_ids": [0] * 60, "chosen_ids": [0] * 9, "rejected_ids": [0] * 2}]
    rows = rows_of(data, {"ref_chosen_logps": [-8.0], "ref_rejected_logps": [-6.0]}, section)
    assert rows.tokens == [64 + 62]
    assert rows.reply_tokens == {"chosen": {0: 4}, "rejected": {0: 2}}


def watching(max_logp_drop: float = 0.5) -> tuple[Watch, list[Step]]:
    """Return a watch over one row whose chosen reply of 10 tokens started at -10 nats."""
    steps: list[Step] = []
    sides = {"chosen": {0: 10}, "rejected": {0: 5}}
    rows = Rows(tokens=[40], reply_tokens=sides, start={"chosen": {0: -10.0}, "rejected": {0: -10.0}})
    section = Train(max_logp_drop=max_logp_drop)
    return Watch(section, Plan(rows=1, piece=1, accumulation=1), rows, steps, lambda _: None), steps


@pytest.mark.parametrize(
    ("logs", "reason"),
    [
        ({"loss": 0.7, "logps/chosen": -15.0, "grad_norm": 1.0}, None),
        ({"loss": 0.7, "logps/chosen": -15.1, "grad_norm": 1.0}, "from -1.000 to -1.510"),
        ({"loss": math.nan, "logps/chosen": math.nan, "grad_norm": 1.0}, "loss is nan"),
        ({"loss": 0.7, "logps/chosen": -10.0, "grad_norm": math.inf}, "gradient norm inf"),
    ],
)
def test_a_step_is_judged(logs: dict[str, float], reason: str | None) -> None:
    watch, steps = watching()
    watch.hear(1, 9, logs)
    assert (watch.diverged is None) if reason is None else (reason in (watch.diverged or ""))
    assert steps[0]["tokens"] == 40
    assert steps[0]["rejected_logp"] is None


def test_the_policy_is_judged_once_more_after_the_last_step() -> None:
    watch, _ = watching()
    assert watch.look({"ref_chosen_logps": [-12.0]}, 1) == pytest.approx(-0.2)
    assert watch.diverged is None
    assert watch.look({"ref_chosen_logps": [-math.inf]}, 1) is None
    assert "at the end" in (watch.diverged or "")
