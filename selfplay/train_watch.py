"""Reads what TRL logs: reports every step in our own terms, and says when a training has diverged."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence

from selfplay.channel import Json
from selfplay.sections import Train
from selfplay.train import Step
from selfplay.train_files import Scores
from selfplay.train_rows import Plan, Rows, piecewise_mean


class Watch:
    """Follows one training."""

    def __init__(self, section: Train, plan: Plan, rows: Rows, steps: list[Step], send: Callable[[Json], None]) -> None:
        """Go on from `steps`, those before the restart point; more are appended."""
        self.section, self.plan, self.rows, self.steps, self.send = section, plan, rows, steps, send
        self.diverged: str | None = None
        """Why the training must stop."""
        self._clock = time.monotonic()

    def begin(self) -> None:
        """Note that a step begins."""
        self._clock = time.monotonic()

    def hear(self, number: int, total: int, logs: Mapping[str, float]) -> None:
        """Report a step and judge it.

        Args:
            number: Optimiser steps taken, this one included.
            total: Steps that the training will take.
            logs: What TRL logged: means over the step's pieces, log-probabilities summed over a reply's tokens.
        """
        pieces = self.plan.pieces(number)
        chosen = self._a_token("chosen", logs.get("logps/chosen"), pieces)
        self.steps.append(
            {
                "step": number,
                "total_steps": total,
                "loss": known(logs["loss"]),
                "reward_margin": known(logs.get("rewards/margins")),
                "reward_accuracy": known(logs.get("rewards/accuracies")),
                "chosen_logp": chosen,
                "rejected_logp": self._a_token("rejected", logs.get("logps/rejected"), pieces),
                "learning_rate": known(logs.get("learning_rate")),
                "grad_norm": known(logs.get("grad_norm")),
                "tokens": sum(self.rows.tokens[row] for piece in pieces for row in piece),
                "wall_s": round(time.monotonic() - self._clock, 3),
            }
        )
        self.send({"step": self.steps[-1]})
        started = self._a_token("chosen", piecewise_mean(self.rows.start["chosen"], pieces), pieces)
        if not all(math.isfinite(logs.get(name, 0.0)) for name in ("loss", "grad_norm")):
            self.diverged = f"at step {number}, loss is {logs['loss']} and gradient norm {logs.get('grad_norm')}"
        elif chosen is not None and started is not None:
            self.diverged = self._fallen(started, chosen, f"step {number}")

    def look(self, after: Scores, rows: int) -> float | None:
        """Judge the policy after the last step, and return what it did to the chosen replies of the first rows.

        Args:
            after: Log-probabilities of the first rows under the trained policy.
            rows: How many.

        Returns:
            Change of the log-probability, nats a token; None where no row has a chosen reply, or it is not finite.
        """
        scores = after.get("ref_chosen_logps", after.get("ref_logps", []))
        chosen = [row for row in self.rows.start["chosen"] if row < rows]
        tokens = sum(self.rows.reply_tokens["chosen"][row] for row in chosen)
        if not tokens:
            return None
        before = sum(self.rows.start["chosen"][row] for row in chosen) / tokens
        now = sum(scores[row] for row in chosen) / tokens
        self.diverged = self.diverged or self._fallen(before, now, "the end")
        return known(now - before)

    def _fallen(self, before: float, after: float, when: str) -> str | None:
        """Return why `after` nats a token is a collapse from `before`, or None."""
        if math.isfinite(after) and before - after <= self.section.max_logp_drop:
            return None
        return (
            f"at {when}, the chosen replies' log-probability went from {before:.3f} to {after:.3f} nats a token "
            f"(train.max_logp_drop = {self.section.max_logp_drop})"
        )

    def _a_token(self, side: str, logp: float | None, pieces: Sequence[range]) -> float | None:
        """Return a mean log-probability of a side's replies as nats a token."""
        tokens = piecewise_mean(self.rows.reply_tokens[side], pieces)
        return None if tokens is None or (total := known(logp)) is None else total / tokens


def known(value: float | None) -> float | None:
    """Return a finite number, or None."""
    return value if value is not None and math.isfinite(value) else None
