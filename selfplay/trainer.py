"""The worker that trains: QLoRA with TRL's DPO or KTO trainer, under train.py.

Deviations from a plain TRL script, each for a reason:
1. The reference's log-probabilities are computed once, before training, by the policy as it starts (reference
   "champion") or with the adapter switched off ("base"). TRL would keep a second adapter in memory and run it again in
   every epoch.
2. LoRA weights stay in float32. TRL rounds them to bfloat16 under 4-bit weights, which loses most updates of this size,
   and rounds the champion once more in every round.
3. On a CPU, only reply positions pass through the language model's head (train_head.py).
4. The module stays in training mode throughout: in evaluation mode bitsandbytes repacks 4-bit weights for inference on
   some CPUs, for good, and no gradient passes through them any more.

Not covered: several GPUs; embeddings and the head, which get no adapter.
"""

from __future__ import annotations

import contextlib
import json
import logging
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from datasets import Dataset, disable_progress_bars
from peft import LoraConfig, PeftModel, get_peft_model
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback, set_seed
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer

from selfplay import track
from selfplay.channel import Channel, Json, serve
from selfplay.train import Example, TrainJob, TrainResult, from_message
from selfplay.train_files import Reference, Scores, mark_whole, reference, restart_point, write_result
from selfplay.train_head import score_replies_only
from selfplay.train_rows import Lengths, Plan, in_order, rows_of
from selfplay.train_watch import Watch

logger = logging.getLogger(__name__)

CHECKED_ROWS = 8
"""Rows scored again after the last step, which no step's own log-probabilities have seen."""


class Callback(TrainerCallback):  # type: ignore[misc]
    """Passes what TRL reports on to a `Watch`."""

    def __init__(self, watch: Watch, mark: Callable[[int], None]) -> None:
        """Follow with `watch`; `mark` is called with the step of each new checkpoint."""
        self.watch, self.mark = watch, mark

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note the time."""
        self.watch.begin()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **kwargs: Any) -> None:
        """Report a step, and stop after it if the training has diverged."""
        if logs is not None and "loss" in logs:
            self.watch.hear(state.global_step, state.max_steps, logs)
        if self.watch.diverged:
            control.should_training_stop, control.should_save = True, False

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Mark the checkpoint as whole."""
        self.mark(state.global_step)


class Policy(NamedTuple):
    """A model with the adapter to train."""

    model: Any
    tokenizer: Any
    bf16: bool
    """It computes in bfloat16; float32 on CPUs that would only emulate it."""


def load(job: TrainJob) -> Policy:
    """Return the policy that training starts from."""
    gpu = torch.cuda.is_available()
    bf16 = gpu or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    dtype = torch.bfloat16 if bf16 else torch.float32
    nf4 = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )
    base = AutoModelForCausalLM.from_pretrained(
        job.model,
        dtype=dtype,
        device_map={"": 0 if gpu else "cpu"},
        attn_implementation="sdpa",
        quantization_config=nf4 if job.section.quantization == "nf4" else None,
        use_safetensors=True,
        local_files_only=True,
    )
    set_seed(job.seed)
    if job.parent is not None:
        model = PeftModel.from_pretrained(base, job.parent, is_trainable=True)
    else:
        section = job.section
        lora = LoraConfig(
            r=section.lora_rank,
            lora_alpha=section.lora_alpha,
            lora_dropout=section.lora_dropout,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        model = get_peft_model(base, lora)
    return Policy(model, AutoTokenizer.from_pretrained(job.model, local_files_only=True), bf16)


def measure(tokenizer: Any, example: Example) -> Lengths:
    """Return how long an example is as chat."""

    def tokens(*reply: str) -> int:
        chat = [*example["prompt"], *({"role": "assistant", "content": text} for text in reply)]
        return len(tokenizer.apply_chat_template(chat, add_generation_prompt=not reply, return_dict=True)["input_ids"])

    prompt = tokens()
    chosen, rejected = tokens(example["chosen"]) - prompt, tokens(example["rejected"]) - prompt
    return Lengths(prompt=prompt, chosen=chosen, rejected=rejected)


def make_trainer(job: TrainJob, plan: Plan, policy: Policy, rows: list[dict[str, Any]], *, checkpointing: bool) -> Any:
    """Return TRL's trainer for the job, its policy being exactly `model` as given, without a second adapter."""
    section, model = job.section, policy.model
    settings: Json = {
        "output_dir": str(job.checkpoints),
        "gradient_accumulation_steps": plan.accumulation,
        "num_train_epochs": section.epochs,
        "learning_rate": section.learning_rate,
        "warmup_steps": int(section.warmup_frac * section.epochs * plan.steps_an_epoch),
        "max_grad_norm": section.max_grad_norm,
        "train_sampling_strategy": "sequential",
        "gradient_checkpointing": checkpointing,
        "bf16": policy.bf16,
        "use_cpu": not torch.cuda.is_available(),
        "dataloader_pin_memory": torch.cuda.is_available(),
        "seed": job.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "steps",
        "save_steps": section.save_every,
        "save_total_limit": 2,
        "beta": section.beta,
        "max_length": section.max_length,
        "per_device_train_batch_size": plan.piece,
        "disable_dropout": section.lora_dropout == 0,
    }
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad}
    shared: Json = {"model": model, "train_dataset": Dataset.from_list(rows), "processing_class": policy.tokenizer}
    if section.method == "kto":
        trainer = KTOTrainer(args=KTOConfig(**settings), **shared)
    else:
        if section.nll_weight:
            settings |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, section.nll_weight]}
        trainer = DPOTrainer(args=DPOConfig(**settings), **shared)
    model.delete_adapter("ref")
    for name, weight in model.named_parameters():
        if name in before:
            weight.data = before[name]
    if not torch.cuda.is_available():
        logger.info("head for replies only: %s", score_replies_only(model.get_base_model()))
    return trainer


@contextlib.contextmanager
def no_dropout(model: Any) -> Iterator[None]:
    """Switch dropout off without leaving training mode."""
    model.train()
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    for layer in layers:
        layer.eval()
    try:
        yield
    finally:
        model.train()


def logps(trainer: Any, plan: Plan, rows: int, tell: Callable[[Json], None], *, with_adapter: bool = True) -> Scores:
    """Return the log-probabilities, nats, of the first `rows` rows' replies, one list a column TRL reads them from.

    `tell` hears of every batch: the parent takes silence for a stuck worker.
    """
    loader = DataLoader(
        trainer.train_dataset.select(range(rows)), batch_size=plan.piece, collate_fn=trainer.data_collator
    )
    adapter = contextlib.nullcontext() if with_adapter else trainer.model.disable_adapter()

    def score(batch: Json, prefix: str) -> torch.Tensor:
        ids, mask, reply = (
            batch[f"{prefix}{name}"].to(trainer.model.device)
            for name in ("input_ids", "attention_mask", "completion_mask")
        )
        labels = ids.masked_fill(reply == 0, -100)
        return trainer.model(
            input_ids=ids, attention_mask=mask, use_cache=False, labels=labels, fused_lm_head=True
        ).log_probs.sum(dim=1)

    found: Scores = {}
    with torch.no_grad(), no_dropout(trainer.model), trainer.accelerator.autocast(), adapter:
        for batch in loader:
            scores = {"": score(batch, "")} | ({"KL_": score(batch, "KL_")} if "KL_input_ids" in batch else {})
            if "label" not in batch:
                scores = dict(zip(("chosen_", "rejected_"), scores[""].chunk(2), strict=True))
            for name, values in scores.items():
                found.setdefault(f"ref_{name}logps", []).extend(values.float().tolist())
            tell({"scored_rows": len(next(iter(found.values())))})
    return found


def save_adapter(model: Any, name: str, folder: Path) -> None:
    """Write the adapter; the same weights give the same bytes, on any machine and in any process."""
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text())
    # peft writes a set in the order of its hashes, and this machine's path of the base model.
    config |= {"target_modules": sorted(config["target_modules"]), "base_model_name_or_path": name}
    file.write_text(json.dumps(config, indent=1, sort_keys=True))


def main(message: Json, channel: Channel) -> None:
    """Do the job that `train` sent."""
    job, identity, batching = from_message(message)
    section = job.section
    clock = time.monotonic()
    disable_progress_bars()
    checkpoint, steps = restart_point(job.checkpoints, identity)
    for step in steps:
        channel.send({"step": step})
    policy = load(job)
    table = in_order(job.examples, [measure(policy.tokenizer, example) for example in job.examples], section, job.seed)
    replies_a_row = 1 if section.method == "kto" else 2
    pairs = len(table) * replies_a_row // 2
    if pairs < section.min_pairs:
        few = f"{pairs} of {len(job.examples)} pairs fit into train.max_length = {section.max_length} tokens"
        none = TrainResult(outcome="too_few_pairs", reason=few, steps=0, tokens=0, tokens_per_s=None)
        write_result(job.out, identity, none, [], None)
        return
    piece = 2 * batching.batch_size // replies_a_row
    plan = Plan(rows=len(table), piece=piece, accumulation=batching.accumulation)
    trainer = make_trainer(job, plan, policy, table, checkpointing=batching.checkpointing)
    if message["curves"] is not None:
        from selfplay import train_track  # the libraries behind it are extras

        curves = track.from_message(message["curves"])
        train_track.follow(trainer, curves, job.out.name, lambda text: channel.send({"warning": text}))
    load_s = time.monotonic() - clock
    channel.send({"load_s": load_s})

    def compute() -> Reference:
        start = logps(trainer, plan, plan.rows, channel.send)
        same = job.parent is None or section.reference == "champion"
        other = start if same else logps(trainer, plan, plan.rows, channel.send, with_adapter=False)
        return Reference(start=start, reference=other)

    found = reference(job.checkpoints, identity, plan.piece, compute)
    reference_s = time.monotonic() - clock - load_s
    watch = Watch(section, plan, rows_of(trainer.train_dataset, found["start"], section), steps, channel.send)
    for name, values in found["reference"].items():
        trainer.train_dataset = trainer.train_dataset.add_column(name, values)
    trainer.precompute_ref_logps = True
    trainer.add_callback(
        Callback(watch, lambda number: mark_whole(job.checkpoints / f"checkpoint-{number}", identity, steps))
    )
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    looked = min(plan.rows, -(-CHECKED_ROWS // plan.piece) * plan.piece)
    change = None if watch.diverged else watch.look(logps(trainer, plan, looked, channel.send), looked)
    steps_s = sum(step["wall_s"] or 0.0 for step in steps)
    tokens = sum(int(step["tokens"] or 0) for step in steps)
    result = TrainResult(
        outcome="diverged" if watch.diverged else "trained",
        reason=watch.diverged or "",
        steps=len(steps),
        tokens=tokens,
        tokens_per_s=round(tokens / (steps_s + reference_s), 2),
        metrics={name: steps[-1][name] for name in ("loss", "reward_margin", "reward_accuracy", "chosen_logp")}
        | {"chosen_logp_change": change, "pairs": pairs, "batch_size": batching.batch_size}
        | {"load_s": round(load_s, 3), "reference_s": round(reference_s, 3), "steps_s": round(steps_s, 3)}
        | {"peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024},
    )
    save = partial(save_adapter, trainer.model, job.model.name)
    write_result(job.out, identity, result, steps, None if watch.diverged else save)


if __name__ == "__main__":
    serve(main)
