"""A training small enough for tests: a model of 100,000 random weights, and pairs of nonsense."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from selfplay.sections import Train
from selfplay.train import Example, Step, TrainJob

PAIRS = 7


def section(**settings: Any) -> Train:
    small = {
        "lora_rank": 4,
        "learning_rate": 1e-3,
        "warmup_frac": 0.0,
        "batch_size": 2,
        "accumulation": 2,
        "save_every": 4,
    }
    return Train(**{**small, **settings})


def examples() -> list[Example]:
    """Return pairs of nonsense, of unlike lengths."""
    rng = random.Random(1)  # noqa: S311  nonsense, not a secret

    def words(low: int, high: int) -> str:
        return "".join(rng.choice("abcdefgh \n") for _ in range(rng.randint(low, high)))

    return [
        {
            "prompt": [{"role": "user", "content": words(20, 60)}],
            "chosen": words(20, 90),
            "rejected": words(20, 90),
        }
        for _ in range(PAIRS)
    ]


def job_in(folder: Path, model: Path, **changes: Any) -> TrainJob:
    job = TrainJob(
        model=model,
        parent=None,
        examples=examples(),
        section=section(),
        seed=3,
        out=folder / "out",
        checkpoints=folder / "work",
    )
    return replace(job, **changes)


def number(step: Step, name: str) -> float:
    value = step[name]
    assert value is not None
    return value


def write_tiny(folder: Path) -> Path:
    """Write a model with two layers, random weights and a tokenizer of single bytes; return its folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    special = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    vocabulary = {text: i for i, text in enumerate(special + sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(special)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=special[1], pad_token=special[2])
    fast.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(vocabulary),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
    )
    Qwen2ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)
    return folder
