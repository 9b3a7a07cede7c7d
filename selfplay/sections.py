"""The sections of a run's config: every number that can be set, with its default and its bounds.

`watchdog` has its section beside what it does (watchdog.py).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen group of settings; unknown keys are refused, strings are not turned into numbers."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Model(Section):
    """The model that plays against itself."""

    name: str = "qwen2.5-coder-0.5b"
    """A name of models.toml, a hub id, a local folder, or a .gguf file."""
    revision: str | None = None
    """Hub revision (branch, tag or commit); None is the pinned or the default one."""
    max_len: int = Field(default=2048, ge=256)
    """Longest prompt + reply, tokens."""


class Problems(Section):
    """Where problems come from."""

    source: str = "builtin"
    """"builtin", one file of it ("builtin:basics"), a JSONL file, or a hub data set id."""
    per_round: int = Field(default=32, ge=1)
    """Problems drawn without replacement for each round, by a seed of the run and the round."""
    decontaminate: bool = True
    """Drop problems that overlap with benchmark tasks."""


class Generate(Section):
    """Sampling of codes and tests."""

    codes: int = Field(default=8, ge=2)
    """Code replies per problem (J)."""
    test_replies: int = Field(default=2, ge=1)
    """Test replies per problem; each holds several asserts."""
    tests: int = Field(default=8, ge=1)
    """Most tests kept per problem (K)."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    top_p: float = Field(default=0.95, gt=0, le=1)
    code_max_tokens: int = Field(default=320, ge=16)
    test_max_tokens: int = Field(default=256, ge=16)
    weights: Literal["auto", "merged", "lora"] = "auto"
    """How an adapter is served: merged into the base on a CPU, as a LoRA request on a GPU."""
    quantization: Literal["none", "bitsandbytes", "fp8"] = "none"
    """Weights in the engine; GPU only."""
    max_num_seqs: int = Field(default=32, ge=1)
    """Sequences decoded together."""
    kv_cache_gib: float = Field(default=2.0, gt=0)
    """Key-value cache on a CPU, GiB of host memory."""
    gpu_memory_frac: float = Field(default=0.9, gt=0, le=1)
    compile: bool = False
    """torch.compile on a CPU: faster decoding for over a minute of start-up."""


class SandboxSection(Section):
    """Limits of one execution; the ladder's rung."""

    level: Literal["auto", "bwrap", "uid", "landlock", "none"] = "auto"
    """"none" runs model output without isolation and stamps every result; it must be asked for by name."""
    workers: int = Field(default=0, ge=0)
    """Parallel executions; 0 is one a core."""
    wall_s: float = Field(default=4.0, gt=0)
    cpu_s: int = Field(default=4, ge=1)
    """Whole seconds; the kernel counts no smaller."""
    memory_bytes: int = Field(default=512 * 1024**2, ge=64 * 1024**2)
    libraries: tuple[str, ...] = ()
    """Packages of this environment that codes and tests may import beyond the standard library, such as "numpy"."""


class Select(Section):
    """From pass matrix to pairs."""

    rule: Literal["dstc", "random", "row_sum", "codet", "b4", "aces"] = "dstc"
    cross_check: bool = True
    """Only pairs whose chosen code also passes the rejected test, and whose rejected code also fails the chosen one."""
    min_passed: int = Field(default=2, ge=1)
    """Tests that the chosen code must pass."""
    min_agree: int = Field(default=2, ge=1)
    """Codes (the chosen one included) that must pass the chosen test."""
    max_similarity: float = Field(default=0.97, gt=0, le=1)
    """Pairs whose two replies are more alike than this (token ratio) are dropped."""
    drop_vacuous: bool = True
    """Leave out tests that a stub passes."""
    concat: bool = True
    """Train on code + test, concatenated; else on code alone."""
    trusts: tuple[Literal["split", "in_process"], ...] = ("split",)
    """Which kinds of verdict may label pairs."""


class Train(Section):
    """QLoRA preference training."""

    method: Literal["dpo", "kto"] = "dpo"
    reference: Literal["champion", "base"] = "champion"
    """The policy that the loss holds the candidate close to."""
    quantization: Literal["nf4", "none"] = "nf4"
    beta: float = Field(default=0.1, gt=0)
    nll_weight: float = Field(default=0.0, ge=0)
    """Weight of the negative log-likelihood of the chosen reply (DPO only)."""
    learning_rate: float = Field(default=2e-5, gt=0)
    epochs: float = Field(default=1.0, gt=0)
    batch_size: int = Field(default=2, ge=1)
    """Pairs on the device at once."""
    accumulation: int = Field(default=2, ge=1)
    max_length: int = Field(default=768, ge=64)
    """Prompt + reply, tokens; longer ones are cut."""
    lora_rank: int = Field(default=16, ge=1)
    lora_alpha: int = Field(default=32, ge=1)
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    warmup_frac: float = Field(default=0.1, ge=0, le=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    min_pairs: int = Field(default=2, ge=1)
    """Fewer pairs than this train nothing: the round keeps its champion."""
    max_logp_drop: float = Field(default=0.5, gt=0)
    """A fall of the mean chosen log-probability by more than this, nats a token, is a diverged training."""
    save_every: int = Field(default=10, ge=1)
    """Optimiser steps between restart points."""
    gradient_checkpointing: bool = False


class Benchmark(Section):
    """What a candidate is measured by."""

    gate: tuple[str, ...] = ("humaneval",)
    """Benchmarks that decide; docs/benchmarks.md lists them."""
    audit: tuple[str, ...] = ()
    """Benchmarks that are scored and shown, and never read by the gate."""
    limit: int | None = Field(default=None, ge=1)
    """Only the first tasks of each, for trials; None is the whole benchmark."""
    samples: int = Field(default=1, ge=1)
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=384, ge=16)
    wall_s: float = Field(default=120.0, gt=0)
    """Most seconds for the test of one task; each benchmark's own limit holds where it is shorter."""
    data_dir: str | None = None
    """Folder of benchmark files; None is the one that SELFPLAY_DATA_DIR names, if any."""


class Gate(Section):
    """When a candidate becomes the champion."""

    alpha: float = Field(default=0.05, gt=0, lt=1)
    """Chance that a whole run promotes a candidate that is no better; shared out over its looks at the benchmarks."""
    margin: float = Field(default=0.02, ge=0, lt=1)
    """Non-inferiority: how much worse (pass@1) a candidate may be on any one gate benchmark."""
    min_coverage: float = Field(default=0.95, gt=0, le=1)
    """Share of tasks that must have a verdict for both."""
    curtail: bool = True
    """Stop scoring a candidate once no outcome of the rest could promote it; its audit benchmarks are then left out."""


class Keep(Section):
    """What stays on disk (docs/operations.md); no result depends on it, so every start of a run may choose anew."""

    rejected: int = Field(default=2, ge=0)
    """Newest candidates that were not promoted whose adapters stay; those of promoted ones always do."""
    backups: int = Field(default=2, ge=0)
    """Newest copies of the database, one a finished round; 0 makes none."""
    logs: int = Field(default=4, ge=1)
    """Newest training logs, and earlier parts of each other log."""
    log_bytes: int = Field(default=4 * 1024**2, ge=1024)
    """Size at which a log is set aside and a new part begun."""


class Track(Section):
    """Curves for other viewers (docs/operations.md); no result depends on them, so every start may choose anew."""

    to: tuple[Literal["tensorboard", "trackio"], ...] = ()
    """Viewers to write for; each needs the package of its name."""
