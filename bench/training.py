"""Tokens a second of the training stage against a bare TRL script over the same pairs.

    python -m bench.training [--model smollm2-135m] [--pairs 8] [--repeats 2]

Both sides run as processes of their own with the same libraries preloaded, turn and turn about, and each is timed from
its start to the adapter on disk. The bare script is what TRL's documentation shows, with our settings: 4-bit weights,
LoRA on every linear layer, the same batches. Prints one line a run, then the ratio of the medians (ours / bare). CPU
seconds are printed as well: where other programs run at the same time, only they can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from selfplay.models import resolve
from selfplay.sections import Train
from selfplay.train import Example, TrainJob, train
from selfplay.worker_environment import cpu_environment, environment

LEAST = 0.9
"""Ratio below which this exits with 1."""

BARE = """
import json, sys
import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoTokenizer, BitsAndBytesConfig
from trl import DPOConfig, DPOTrainer

job = json.load(open(sys.argv[1]))
section, gpu = job["section"], torch.cuda.is_available()
trainer = DPOTrainer(
    model=job["model"],
    args=DPOConfig(
        output_dir=job["out"],
        model_init_kwargs={"dtype": "bfloat16", "device_map": {"": 0 if gpu else "cpu"}},
        use_cpu=not gpu,
        bf16=True,
        per_device_train_batch_size=section["batch_size"],
        gradient_accumulation_steps=section["accumulation"],
        num_train_epochs=section["epochs"],
        learning_rate=section["learning_rate"],
        beta=section["beta"],
        max_length=section["max_length"],
        gradient_checkpointing=section["gradient_checkpointing"],
        seed=job["seed"],
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    ),
    train_dataset=Dataset.from_list(job["rows"]),
    processing_class=AutoTokenizer.from_pretrained(job["model"]),
    quantization_config=BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    ),
    peft_config=LoraConfig(
        r=section["lora_rank"],
        lora_alpha=section["lora_alpha"],
        lora_dropout=0.0,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    ),
)
trainer.train()
trainer.save_model(job["out"])
"""


def make_pairs(count: int, seed: int = 0) -> list[Example]:
    """Return pairs shaped like the loop's: a statement of the task, then code and a test."""
    rng = random.Random(seed)  # noqa: S311  filler, not a secret
    names = ["total", "items", "index", "value", "result", "left", "right", "count", "key", "word"]

    def reply() -> str:
        body = [
            f"    {rng.choice(names)} = {rng.choice(names)} + {rng.randint(0, 99)}" for _ in range(rng.randint(5, 14))
        ]
        code = "\n".join(["def solve(items, value):", *body, f"    return {rng.choice(names)}"])
        return f"```python\n{code}\n\nassert solve([1, 2], {rng.randint(0, 9)}) == {rng.randint(0, 9)}\n```"

    def task() -> str:
        return " ".join(["Write a Python function.", *(rng.choice(names) for _ in range(rng.randint(60, 130)))])

    return [
        {"prompt": [{"role": "user", "content": task()}], "chosen": reply(), "rejected": reply()} for _ in range(count)
    ]


def cpu_s() -> float:
    """Return the CPU seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def ours(job: TrainJob, folder: Path) -> int:
    """Run our stage, and return the tokens that it trained on."""
    result = train(job, folder / "ours.log", lambda _: None)
    if result.outcome != "trained":
        raise SystemExit(f"ours: {result.outcome}: {result.reason}")
    print(json.dumps(result.metrics))
    return result.tokens


def bare(job: TrainJob, folder: Path) -> None:
    """Run the bare script."""

    def answer(text: str) -> list[dict[str, str]]:
        return [{"role": "assistant", "content": text}]

    rows = [
        {"prompt": row["prompt"], "chosen": answer(row["chosen"]), "rejected": answer(row["rejected"])}
        for row in job.examples
    ]
    script, data = folder / "bare.py", folder / "bare.json"
    script.write_text(BARE)
    data.write_text(
        json.dumps(
            {
                "model": str(job.model),
                "section": job.section.model_dump(),
                "seed": job.seed,
                "out": str(folder / "bare"),
                "rows": rows,
            }
        )
    )
    with (folder / "bare.log").open("wb") as log:
        subprocess.run(
            [sys.executable, str(script), str(data)],
            env=environment(cpu_environment()),
            cwd=folder,
            stdout=log,
            stderr=log,
            check=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    model = resolve(asked.model).folder
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as root:
        for turn in range(asked.repeats):
            folder = Path(root) / str(turn)
            folder.mkdir()
            job = TrainJob(
                model=model,
                parent=None,
                examples=make_pairs(asked.pairs),
                section=Train(),
                seed=0,
                out=folder / "ours",
                checkpoints=folder / "work",
            )
            tokens = 0
            for name in rates:
                clock, used = time.monotonic(), cpu_s()
                if name == "ours":
                    tokens = ours(job, folder)
                else:
                    bare(job, folder)
                wall_s = time.monotonic() - clock
                rates[name].append(tokens / wall_s)
                print(
                    f"{name:5} {tokens} tokens in {wall_s:6.1f} s: {tokens / wall_s:7.1f} tokens/s; "
                    f"{cpu_s() - used:.1f} CPU seconds",
                    flush=True,
                )
    ratio = statistics.median(rates["ours"]) / statistics.median(rates["bare"])
    print(f"training: ratio {ratio:.2f} (at least {LEAST}), on {len(os.sched_getaffinity(0))} cores")
    return 0 if ratio >= LEAST else 1


if __name__ == "__main__":
    raise SystemExit(main())
