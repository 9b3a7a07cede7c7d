"""Power told in advance: the smallest true gain that a gate would promote in most cases.

One sample a task on one gate benchmark: exact, from the chances of each number of wins and losses. Where the champion's
scores are known, wins come out of the tasks that it fails and losses out of those that it passes, as in the run itself.

Several samples or several benchmarks: simulated with `gate.decide`, margin included. Some tasks are settled, passed by
both sides always or never; on the others a sample passes with a chance drawn uniformly for each task (one sample: half
of the time). A candidate that is better by g passes some settled tasks that the champion fails: a share g of all tasks
always (one sample), or a share 2g of them half of the time (several).

`flips` ties the two together: on that share of the tasks a sample of a candidate that is no better passes where the
champion's fails, and on as many it is the other way round.

Not covered: gains that are not alike on all gate benchmarks; candidates that flip more tasks than assumed need more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from selfplay import gate
from selfplay.gate import BenchmarkResult
from selfplay.paired import detection_rate, detection_rate_given

TARGET = 0.8
"""Chance of a promotion that is asked for."""
DRAWS = 400
"""Simulated rounds for each gain; the rate near 80% is then known to two points (one standard error)."""
STEP = 0.001
"""Resolution of exact gains; simulated ones are told in steps of five times that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateBenchmark:
    """A benchmark that decides, as far as power depends on it."""

    name: str
    tasks: int
    passed: float | None = None
    """The champion's pass@1 times `tasks`, where it has been measured."""


@dataclass(slots=True, kw_only=True)
class Power:
    """What one gate can see."""

    benchmarks: Sequence[GateBenchmark]
    samples: int
    flips: float
    """Share of the tasks that a candidate which is no better wins, and share that it loses."""
    margin: float
    min_coverage: float
    _p_values: dict[int, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def exact(self) -> bool:
        """Whether no simulation is needed."""
        return self.samples == 1 and len(self.benchmarks) == 1

    @property
    def largest_gain(self) -> float:
        """Gain of pass@1 beyond which there is nothing left to win."""
        if not self.exact:
            share = min((1 - self._unsettled()) * (1 - self._settled_pass(each)) for each in self.benchmarks)
            return share if self.samples == 1 else share / 2
        (each,) = self.benchmarks
        return max(0.0, 1 - (self.flips if each.passed is None else each.passed / each.tasks) - self.flips)

    def smallest_gain(self, alpha: float) -> float | None:
        """Return the least gain of pass@1 (0..1) that is promoted with a chance of `TARGET`; None where none is.

        Args:
            alpha: Level of the round.
        """
        step = STEP if self.exact else 5 * STEP
        low, high = 0, int(self.largest_gain / step + 1e-9)
        if self.rate(high * step, alpha) < TARGET:
            return None
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self.rate(middle * step, alpha) >= TARGET else (middle + 1, high)
        return low * step

    def rate(self, gain: float, alpha: float) -> float:
        """Return the chance that a candidate better by `gain` is promoted in a round of level `alpha`."""
        if not self.exact:
            return float(np.mean(self._simulated(gain) <= alpha))
        (each,) = self.benchmarks
        if each.passed is None:
            return detection_rate(each.tasks, self.flips + gain, self.flips, alpha)
        failed, passed = each.tasks - round(each.passed), round(each.passed)
        wins, losses = (self.flips + gain) * each.tasks, self.flips * each.tasks
        return detection_rate_given(
            failed,
            passed,
            win_chance=min(1.0, wins / failed) if failed else 0.0,
            loss_chance=min(1.0, losses / passed) if passed else 0.0,
            alpha=alpha,
        )

    def _simulated(self, gain: float) -> NDArray[np.float64]:
        """Return the p-value of each simulated round; infinite where something else than p keeps the champion."""
        key = round(gain / STEP)
        if key not in self._p_values:
            rng = np.random.default_rng(0)
            found = []
            for _ in range(DRAWS):
                results = [next(self.contest(each, rng, gain)) for each in self.benchmarks]
                decision = gate.decide(results, alpha_round=1.0, margin=self.margin, min_coverage=self.min_coverage)
                found.append(decision.p_value if decision.promoted and decision.p_value is not None else np.inf)
            self._p_values[key] = np.array(found)
        return self._p_values[key]

    def contest(self, each: GateBenchmark, rng: np.random.Generator, gain: float) -> Iterator[BenchmarkResult]:
        """Yield simulated results on one benchmark; see `contests`."""
        return contests(
            rng,
            name=each.name,
            tasks=each.tasks,
            samples=self.samples,
            unsettled=self._unsettled(),
            gain=gain,
            settled_pass=self._settled_pass(each),
        )

    def _unsettled(self) -> float:
        """Return the share of unsettled tasks: each flips with p (1 - p) each way, 1/4 or 1/6 on average."""
        return min(1.0, self.flips * (4 if self.samples == 1 else 6))

    def _settled_pass(self, each: GateBenchmark) -> float:
        """Return the share of settled tasks that the champion passes; a half where its scores are not known."""
        unsettled = self._unsettled()
        if each.passed is None or unsettled == 1:
            return 0.5
        return min(1.0, max(0.0, (each.passed / each.tasks - unsettled / 2) / (1 - unsettled)))


def contests(
    rng: np.random.Generator,
    *,
    name: str = "tasks",
    tasks: int,
    samples: int,
    unsettled: float,
    gain: float = 0.0,
    settled_pass: float = 0.5,
) -> Iterator[BenchmarkResult]:
    """Yield results of one champion against one new candidate after another, without end; see the top of this file.

    Args:
        rng: Source of every draw.
        name: Of the benchmark.
        tasks: Of the benchmark.
        samples: Of each task.
        unsettled: Share of tasks on which a sample passes by chance.
        gain: How much better each candidate is in truth, pass@1.
        settled_pass: Share of settled tasks that the champion passes.
    """
    settled = rng.random(tasks) >= unsettled
    by_chance = 0.5 if samples == 1 else rng.random(tasks)
    champion: NDArray[np.float64] = np.where(settled, rng.random(tasks) < settled_pass, by_chance)
    lifted, lift = (gain, 1.0) if samples == 1 else (2 * gain, 0.5)
    failed = settled & (champion == 0)
    better = failed & (rng.random(tasks) < lifted / max(1e-9, (1 - unsettled) * (1 - settled_pass)))
    candidate: NDArray[np.float64] = np.where(better, lift, champion)
    held = _outcomes(rng, champion, samples)
    while True:
        yield BenchmarkResult(
            name=name, role="gate", champion=held, candidate=_outcomes(rng, candidate, samples), tasks=tasks
        )


def _outcomes(rng: np.random.Generator, chance: NDArray[np.float64], samples: int) -> dict[str, tuple[bool, ...]]:
    passed = (rng.random((len(chance), samples)) < chance[:, None]).tolist()
    return {f"{task:04}": tuple(row) for task, row in enumerate(passed)}
