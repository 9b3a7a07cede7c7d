"""Tokens per second of `VllmGenerator` against bare `vllm.LLM.chat`: same requests, same settings, taking turns.

    python -m bench.generation [--model smollm2-135m] [--turns 5] [--requests 8] [--tokens 64]

Both engines stay up, each in a process of its own with the same environment, and only one works at a time. Every turn
asks both for the same new prompts, in an order that alternates. The results are the medians of the turns' ratios: by
the clock, and by the CPU seconds of the engine, which is what counts on a machine with other work to do.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from selfplay import models
from selfplay.channel import Channel, Json, serve
from selfplay.generate import Request, VllmGenerator
from selfplay.sections import Generate


def requests(turn: int, count: int, tokens: int) -> list[Request]:
    return [
        Request(
            id=f"{turn}-{number}",
            messages=(
                {"role": "user", "content": f"Write a Python function for task {turn}.{number}, with comments."},
            ),
            n=4,
            temperature=0.8,
            top_p=0.95,
            max_tokens=tokens,
            seed=1000 * turn + 10 * number,
        )
        for number in range(count)
    ]


class BareGenerator(VllmGenerator):
    """The same job and environment, with `vllm.LLM.chat` in the worker."""

    worker_module = "bench.generation"

    def chat(self, batch: list[Request]) -> int:
        """Return the tokens written for `batch`."""
        worker = self._worker or self._start()
        rows = [{"messages": row.messages, "n": row.n, "seed": row.seed, "max_tokens": row.max_tokens} for row in batch]
        worker.send({"batch": rows})
        return int(next(worker.messages())["tokens"])


def bare(job: Json, channel: Channel) -> None:
    from vllm import LLM, SamplingParams

    from selfplay.engine import engine_args

    started = time.monotonic()
    asked: dict[str, Any] = engine_args(job).__dict__
    names = ("dtype", "seed", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "enable_chunked_prefill")
    memory = ("enable_prefix_caching", "kv_cache_memory_bytes", "gpu_memory_utilization", "block_size", "enforce_eager")
    llm = LLM(job["model"], disable_log_stats=True, **{name: asked[name] for name in (*names, *memory)})
    channel.send({"ready": True, "canary": "", "start_s": time.monotonic() - started})
    while (message := channel.receive()) is not None:
        batch = message["batch"]
        outputs = llm.chat(
            [row["messages"] for row in batch],
            [
                SamplingParams(n=row["n"], temperature=0.8, top_p=0.95, seed=row["seed"], max_tokens=row["max_tokens"])
                for row in batch
            ],
            use_tqdm=False,
        )
        channel.send({"tokens": sum(len(part.token_ids) for output in outputs for part in output.outputs)})


def cpu_s(generator: VllmGenerator) -> float:
    """Return the CPU seconds that a generator's worker has used so far."""
    root = psutil.Process(generator.pid)
    return sum(sum(process.cpu_times()[:2]) for process in (root, *root.children(recursive=True)))


def ours(generator: VllmGenerator, batch: list[Request]) -> int:
    return sum(part.tokens for answer in generator.generate(batch) for part in answer.completions)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--requests", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    asked = parser.parse_args()
    files = models.resolve(asked.model)
    section = Generate(kv_cache_gib=1.0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cache = files.folder.parent.parent
        with (
            VllmGenerator(files.folder, None, section, 2048, folder / "ours.log", cache) as mine,
            BareGenerator(files.folder, None, section, 2048, folder / "bare.log", cache) as other,
        ):
            sides: dict[str, tuple[VllmGenerator, Callable[[list[Request]], int]]] = {
                "ours": (mine, partial(ours, mine)),
                "bare": (other, other.chat),
            }
            for label, (generator, run) in sides.items():
                begun = time.monotonic()
                run(requests(0, 2, 16))
                print(
                    f"{label}: up after {time.monotonic() - begun:.1f} s, engine {generator.start_s or 0:.1f} s of it"
                )
            ratios: dict[str, list[float]] = {"clock": [], "CPU": []}
            for turn in range(1, asked.turns + 1):
                batch = requests(turn, asked.requests, asked.tokens)
                rates: dict[str, tuple[float, float]] = {}
                for label in ("ours", "bare") if turn % 2 else ("bare", "ours"):
                    generator, run = sides[label]
                    begun, used = time.monotonic(), cpu_s(generator)
                    tokens = run(batch)
                    rates[label] = (tokens / (time.monotonic() - begun), tokens / (cpu_s(generator) - used))
                for index, kind in enumerate(ratios):
                    ratios[kind].append(rates["ours"][index] / rates["bare"][index])
                shown = "; ".join(
                    f"{label} {rate[0]:.1f} tokens/s, {rate[1]:.1f} per CPU s" for label, rate in rates.items()
                )
                print(f"turn {turn}: {shown}; ratio {ratios['clock'][-1]:.3f}, {ratios['CPU'][-1]:.3f}", flush=True)
            for kind, values in ratios.items():
                print(f"median ratio ours / bare by the {kind}, {len(values)} turns: {statistics.median(values):.3f}")


if __name__ == "__main__":
    if "--channel" in sys.argv:
        serve(bare)
    else:
        main()
