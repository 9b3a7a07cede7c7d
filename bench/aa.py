"""The champion against itself with the real model: other sampling seeds, the same weights, the whole gate.

    python -m bench.aa [--preset smoke] [--tasks 16] [--samples 4] [--temperature 0.8] [--candidates 3]

The base model answers the gate benchmarks of a preset once as the champion and once for each candidate, which differs
from it in nothing but the seeds. Every promotion would be false. Exit 1 where there is one: at the level of a first
round that happens to one candidate in forty at most.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from selfplay import config, models, startup
from selfplay.contest import Contest
from selfplay.engines import Engines, Weights
from selfplay.generate import VllmGenerator
from selfplay.progress import Progress
from selfplay.scoring import Scorer
from state.store import Store


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--tasks", type=int, default=16, help="first tasks of each gate benchmark")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--candidates", type=int, default=3)
    options = parser.parse_args(arguments)
    overrides = (
        f"benchmark.limit={options.tasks}",
        f"benchmark.samples={options.samples}",
        f"benchmark.temperature={options.temperature}",
        "benchmark.audit=[]",
        "gate.curtail=false",
    )
    settings = config.load(options.preset, overrides)
    promoted = 0
    with ExitStack() as stack:
        tasks = startup.load_tasks(settings)
        box = startup.open_sandbox(settings, stack)
        model = models.resolve(
            settings.model.name, settings.model.revision, cache=startup.cache_dir(), progress=lambda *_: None
        )
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(Store.open(folder / "run.db", create=True))
        generator = stack.enter_context(
            VllmGenerator(
                model.folder,
                None,
                settings.generate,
                settings.model.max_len,
                folder / "generate.log",
                startup.cache_dir(),
            )
        )
        engines = Engines(lambda _: generator)
        progress = Progress()
        progress.begin_round(1)
        print(
            f"{settings.model.name}, {sum(map(len, tasks.values()))} tasks of {', '.join(tasks)}, "
            f"{options.samples} samples at temperature {options.temperature}"
        )
        champion = Weights(id="champion", adapter=None)
        for seed in range(options.candidates + 1):
            weights = champion if seed == 0 else Weights(id=f"seed {seed}", adapter=None)
            begun = time.monotonic()
            scorer = Scorer(store, box, settings.benchmark, tasks, seed, progress)
            scorer.run(weights, engines)
            passed = ", ".join(f"{name} {good} of {total}" for name, good, total, _ in scorer.summary(weights.id))
            print(f"\n{weights.id}: {passed} samples passed ({time.monotonic() - begun:.0f} s)", flush=True)
            if seed:
                decision = Contest(store, scorer, settings.gate).decide(champion, weights)
                promoted += decision.promoted
                print(f"{decision.wins} wins, {decision.losses} losses, {decision.ties} ties, p = {decision.p_value}")
                print(decision.reason)
    print(f"\n{promoted} of {options.candidates} promoted; each would be false")
    return 1 if promoted else 0


if __name__ == "__main__":
    raise SystemExit(main())
