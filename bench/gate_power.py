"""What the gate can see: chance of a promotion by true gain, round and benchmark size: `python -m bench.gate_power`.

Exact, no simulation. `LOSSES` of the tasks are lost in any case (a new adapter breaks something), and gain + LOSSES of
them are won.
"""

from __future__ import annotations

from selfplay.gate import alpha_for_round
from selfplay.paired import detection_rate, min_wins_needed

ALPHA = 0.05
LOSSES = 0.05
GAINS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.10, 0.15)


def main() -> None:
    heads = "".join(f"{f'+{100 * gain:.0f}':>7}" for gain in GAINS)
    print(f"164 tasks, run level {ALPHA}, {LOSSES:.0%} of the tasks lost; columns: true gain in points of pass@1\n")
    print(f"round    level  fewest wins{heads}")
    for number in (1, 2, 3, 4, 5, 10):
        alpha = alpha_for_round(ALPHA, number)
        print(f"{number:>5}{alpha:>9.5f}{min_wins_needed(alpha):>13}{_row(164, alpha)}")
    print(f"\nround 1, level {ALPHA / 2}, by number of tasks\n")
    print(f"tasks{heads}")
    for tasks in (12, 50, 164, 378, 542, 1140):
        print(f"{tasks:>5}{_row(tasks, ALPHA / 2)}")


def _row(tasks: int, alpha: float) -> str:
    rates = (detection_rate(tasks, LOSSES + gain, LOSSES, alpha) for gain in GAINS)
    return "".join(f"{100 * rate:>6.1f}%" for rate in rates)


if __name__ == "__main__":
    main()
