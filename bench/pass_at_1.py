"""What the base model of a preset scores on whole benchmarks: pass@1, greedy, with the product's prompts and grader.

    SELFPLAY_DATA_DIR=DATA python -m bench.pass_at_1 [--preset cpu] [--only BENCHMARK ...] [--out FOLDER]

Each benchmark is asked and graded by `selfplay.scoring.Scorer` with the model worker of a run, one benchmark after the
other. The interval is Wilson's at 95%, over the tasks that this host can score; those left out are named, with the
reason. Speed is the tokens of the answers by the seconds spent on a benchmark after the model had started, grading
included. FOLDER keeps the answers as a run does (`bench.agreement --run FOLDER`); what it has is not asked again.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from pathlib import Path

from selfplay import benchmark, config, models, startup
from selfplay.benchmark_files import DATA_DIR_VARIABLE
from selfplay.engines import Engines, Weights
from selfplay.generate import Generator, Request, VllmGenerator
from selfplay.ground_truth import host_facts
from selfplay.paired import wilson_interval
from selfplay.progress import Progress
from selfplay.scoring import Scorer
from selfplay.session import DATABASE
from state.store import Store

BENCHMARKS = ("humaneval", "humaneval_plus", "mbpp_sanitized")
HELLO = Request(
    id="hello",
    messages=({"role": "user", "content": "Hello"},),
    n=1,
    temperature=0.0,
    top_p=1.0,
    max_tokens=1,
    seed=None,
)


def show(name: str, scorer: Scorer, weights: Weights, took_s: float, tokens: int) -> None:
    """Print one benchmark's score, its ground-truth line, and how long it took."""
    asked, scored = scorer.asked[name], scorer.tasks[name]
    ((_, passed, count, left_out),) = scorer.summary(weights.id)
    low, high = wilson_interval(passed, count)
    truths = {found.task_id: found for found in scorer.store.ground_truths(name, host_facts(scorer.grader))}
    print(
        f"{name}: pass@1 {100 * passed / count:.1f}% ({passed} of {count}), 95% {100 * low:.1f} to {100 * high:.1f}\n"
        f"  ground truth: {len(scored)} of {len(asked)} tasks scored, {left_out} left out\n"
        + "".join(
            f"    {task.id}: {truths[task.id].status}, {truths[task.id].detail}\n"
            for task in asked
            if task not in scored
        )
        + f"  {tokens} tokens in {took_s / 60:.1f} min, {tokens / took_s:.0f} tokens/s; "
        f"{scorer.sandbox_s:.1f} s of it for grading alone",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="cpu")
    parser.add_argument("--only", nargs="+", choices=tuple(benchmark.BENCHMARKS), default=BENCHMARKS)
    parser.add_argument("--out", type=Path, default=Path("runs") / "pass-at-1")
    asked = parser.parse_args()
    if not os.environ.get(DATA_DIR_VARIABLE):
        raise SystemExit(f"{DATA_DIR_VARIABLE} is not set: it must name the folder of benchmark files")
    settings = config.load(asked.preset)
    asked.out.mkdir(parents=True, exist_ok=True)
    model = models.resolve(settings.model.name, settings.model.revision, cache=startup.cache_dir())
    weights = Weights(id=model.sha256, adapter=None)

    def start(_: Weights) -> Generator:
        log = asked.out / "generate.log"
        return VllmGenerator(
            model.folder, None, settings.generate, settings.model.max_len, log, cache=startup.cache_dir()
        )

    with ExitStack() as stack:
        box = startup.open_sandbox(settings, stack)
        store = stack.enter_context(Store.open(asked.out / DATABASE, create=True))
        engines = Engines(start)
        stack.callback(engines.close)
        print(f"{settings.model.name}, weights {model.sha256[:12]}, sandbox level {box.level}", flush=True)
        for name in asked.only:
            section = settings.benchmark.model_copy(update={"gate": (name,), "audit": ()})
            progress = Progress()
            progress.begin_round(0)
            scorer = Scorer(store, box, section, {name: benchmark.load(name)}, settings.seed, progress)
            stack.callback(scorer.close)
            scorer.prepare()
            list(engines.serving(weights).generate([HELLO]))  # the model starts at its first request
            started = time.monotonic()
            scorer.run(weights, engines)
            show(name, scorer, weights, time.monotonic() - started, progress.stages["benchmark"].tokens)


if __name__ == "__main__":
    main()
