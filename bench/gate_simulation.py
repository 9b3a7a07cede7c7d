"""The whole gate, played many times: how often it is fooled, what it sees, what curtailment saves.

    python -m bench.gate_simulation [--runs 10000] [--tasks 164]

A run is five rounds against one champion, decided by `gate.decide` at default settings with each round's share of
alpha. Some tasks are settled: both sides always pass them, or always fail them. On the others a sample passes by
chance. Where candidate and champion have the same chances, every promotion is false; a run counts once, however many
rounds were fooled. Champion and candidates share a run's tasks, and the champion's scores stay the same for all five
rounds, so that a champion that had bad luck meets five candidates that look better: rounds are not independent.

A candidate that is better by g passes some settled tasks that the champion fails: a share g of all tasks always (one
sample), or a share 2g of them half of the time (several samples).

Curtailment is measured in the order in which tasks are asked, and for comparison with the champion's failures first.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from selfplay import curtail, gate
from selfplay.gate import BenchmarkResult
from selfplay.paired import clopper_pearson
from selfplay.power import contests
from selfplay.sections import Gate

ROUNDS = 5
SEED = 20260
DEFAULT = Gate()

Verdict = Callable[[BenchmarkResult, int], bool]
"""Whether a result is promoted in a round, which counts from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What champion and candidate have in common."""

    name: str
    samples: int
    unsettled: float
    """Share of tasks on which a sample passes by chance: half of the time (one sample), or with a chance drawn
    uniformly for each task (several)."""


SETTINGS = (
    *(
        Setting(name=f"1 sample, {each:.1%} flip each way", samples=1, unsettled=4 * each)
        for each in (0.01, 0.025, 0.05)
    ),
    *(Setting(name=f"4 samples, {each:.0%} of tasks unsettled", samples=4, unsettled=each) for each in (0.2, 0.5)),
)
"""One sample: an unsettled task is won by a quarter of the pairs and lost by another."""


def promoted(result: BenchmarkResult, number: int) -> bool:
    """Return what the product's gate says at its default settings."""
    return level(number)([result]).promoted


def level(number: int) -> curtail.Decide:
    """Return the product's gate in the round of this number."""
    alpha = gate.alpha_for_round(DEFAULT.alpha, number)
    return partial(gate.decide, alpha_round=alpha, margin=DEFAULT.margin, min_coverage=DEFAULT.min_coverage)


def remembered(verdict: Verdict) -> Verdict:
    """Return the same verdict, asked once for results that differ in nothing but the names of the tasks."""
    known: dict[object, bool] = {}

    def ask(result: BenchmarkResult, number: int) -> bool:
        tasks = result.champion.keys()
        key = number, frozenset(Counter((sum(result.champion[t]), sum(result.candidate[t])) for t in tasks).items())
        if key not in known:
            known[key] = verdict(result, number)
        return known[key]

    return ask


def rounds(setting: Setting, rng: np.random.Generator, tasks: int, gain: float = 0.0) -> Iterator[BenchmarkResult]:
    """Yield the results of one run's rounds: one champion, a new candidate each."""
    return contests(rng, tasks=tasks, samples=setting.samples, unsettled=setting.unsettled, gain=gain)


def first_promotions(
    setting: Setting, runs: int, *, gain: float = 0.0, verdict: Verdict = promoted, tasks: int = 164, seed: int = SEED
) -> list[int | None]:
    """Return, for each run, the round that promoted first, or None where none of `ROUNDS` did."""
    rng, ask = np.random.default_rng(seed), remembered(verdict)
    return [
        next(
            (n for n, result in zip(range(1, ROUNDS + 1), rounds(setting, rng, tasks, gain), strict=False)
             if ask(result, n)),
            None,
        )
        for _ in range(runs)
    ]  # fmt: skip


def share_not_scored(
    setting: Setting, runs: int, *, gain: float = 0.0, tasks: int = 164, failures_first: bool = False
) -> list[float]:
    """Return, for each round, the mean share of tasks that curtailment leaves unscored."""
    rng = np.random.default_rng(SEED)
    saved = np.zeros(ROUNDS)
    for _ in range(runs):
        for n, result in zip(range(ROUNDS), rounds(setting, rng, tasks, gain), strict=False):
            names = sorted(result.champion)
            if failures_first:
                names.sort(key=lambda task: sum(result.champion[task]))
            cut = curtail.cut_after([result], [("tasks", name) for name in names], level(n + 1))
            saved[n] += 0.0 if cut is None else 1 - cut / tasks
    return [float(share) for share in saved / runs]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="simulated runs of five rounds for each false rate")
    parser.add_argument("--tasks", type=int, default=164)
    options = parser.parse_args(arguments)
    begun, runs, tasks = time.monotonic(), options.runs, options.tasks
    print(f"{tasks} tasks, {ROUNDS} rounds a run, level {DEFAULT.alpha}, seed {SEED}\n")
    print(f"the champion against itself: runs of {runs} with a promotion, 95% Clopper-Pearson interval")
    good = True
    for setting in SETTINGS:
        fooled = sum(found is not None for found in first_promotions(setting, runs, tasks=tasks))
        low, high = clopper_pearson(fooled, runs)
        good = good and high <= DEFAULT.alpha
        print(f"  {setting.name:<34}{fooled:>6}  {fooled / runs:7.2%}  [{low:.2%}, {high:.2%}]", flush=True)
    print(f"at or under the level of {DEFAULT.alpha:.0%}: {'yes' if good else 'NO'}\n")
    few = math.ceil(runs / 5)
    print(f"better candidates: promoted in round 1, and in one of {ROUNDS} rounds ({few} runs)")
    for setting in SETTINGS:
        rates = []
        for gain in (0.02, 0.05, 0.10):
            found = first_promotions(setting, few, gain=gain, tasks=tasks)
            rates.append(f"+{100 * gain:.0f}: {found.count(1) / few:5.1%} {1 - found.count(None) / few:6.1%}")
        print(f"  {setting.name:<34}" + "   ".join(rates), flush=True)
    few = math.ceil(runs / 50)
    print(f"\nshare of tasks not scored thanks to curtailment, by round, and their mean ({few} runs)")
    for setting in SETTINGS:
        for gain, first in ((0.0, False), (0.10, False), (0.0, True)):
            shares = share_not_scored(setting, few, gain=gain, tasks=tasks, failures_first=first)
            listed = " ".join(f"{share:4.0%}" for share in shares)
            note = "  champion's failures first" if first else ""
            print(f"  {setting.name:<34}{f'+{100 * gain:.0f}':>4} {listed}   {np.mean(shares):5.1%}{note}", flush=True)
    print(f"\n{time.monotonic() - begun:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
