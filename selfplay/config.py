"""Every number of a run.

A run's config is a preset (presets/*.toml) over the defaults below, with `--set section.key=value` on top. Unknown
keys, wrong types and values out of range raise `ConfigError`, whose message names the key and what would be accepted.
The number of rounds and the sections `keep` and `watchdog` are no part of a run's identity: the same run continues
with others.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from selfplay.errors import UserError
from selfplay.section import Section
from selfplay.watchdog import Watchdog

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PRESETS = Path(__file__).parent / "presets"


class ConfigError(UserError):
    """What the user asked for cannot be a config; the message says which key and what to do."""


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


class Config(Section):
    """A run, resolved."""

    preset: str = "cpu"
    seed: int = Field(default=0, ge=0)
    model: Model = Model()
    problems: Problems = Problems()
    generate: Generate = Generate()
    sandbox: SandboxSection = SandboxSection()
    select: Select = Select()
    train: Train = Train()
    benchmark: Benchmark = Benchmark()
    gate: Gate = Gate()
    keep: Keep = Keep()
    watchdog: Watchdog = Watchdog()


def load(preset: str, overrides: Sequence[str] = (), **fields: object) -> Config:
    """Return a preset with `section.key=value` overrides and typed fields on top, in this order.

    Args:
        preset: Name of a file in presets/, without ".toml".
        overrides: Values as TOML writes them. Words that are no TOML are taken as text, `a,b` fills a list, and `none`
            clears a key that may be empty.
        fields: Dotted keys with values that already have their types; None means "not asked for".

    Raises:
        ConfigError: Unknown preset or key, a wrong type, or a value out of range.
    """
    tree = _read_preset(preset)
    for override in overrides:
        key, sign, text = override.partition("=")
        key, text = key.strip(), text.strip()
        if not sign or not text:
            raise ConfigError(f"{override!r} sets nothing: write section.key=value")
        _put(tree, key, _parse(text, _field(key)))
    for key, value in fields.items():
        if value is not None:
            _field(key)
            _put(tree, key, value)
    return _validate(json.dumps({**tree, "preset": preset}, default=str))


def preset_names() -> list[str]:
    """Return the names of the presets, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def to_json(config: Config) -> str:
    """Return the config as canonical JSON: equal configs give equal text."""
    return json.dumps(config.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Config:
    """Return the config that `to_json` wrote.

    Raises:
        ConfigError: The text is no config of this version.
    """
    return _validate(text)


def diff(a: Config, b: Config) -> list[str]:
    """Return one "section.key: old -> new" line for each value that differs, in the order of the sections."""
    old, new = leaves(a), leaves(b)
    return [f"{key}: {_show(old[key])} -> {_show(new[key])}" for key in old if old[key] != new[key]]


def leaves(config: Config) -> dict[str, object]:
    """Return every value by its dotted key, as JSON has it, in the order of the sections."""
    found: dict[str, object] = {}
    for name, value in config.model_dump(mode="json").items():
        if isinstance(value, dict):
            found.update({f"{name}.{key}": leaf for key, leaf in value.items()})
        else:
            found[name] = value
    return found


def _fields() -> dict[str, FieldInfo]:
    """Return every key that can be set, dotted, with what it accepts."""
    fields: dict[str, FieldInfo] = {}
    for name, field in Config.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, Section):
            fields.update({f"{name}.{key}": inner for key, inner in section.model_fields.items()})
        elif name != "preset":
            fields[name] = field
    return fields


def _field(key: str) -> FieldInfo:
    fields = _fields()
    if key in fields:
        return fields[key]
    raise ConfigError(_unknown(key, list(fields)))


def _unknown(key: str, known: list[str]) -> str:
    inside = [name for name in known if name.startswith(f"{key}.")]
    if inside:
        return f"{key} is a section: set one of {', '.join(inside)}"
    if key == "preset":
        return "preset is not a key: choose one with --preset"
    near = [name for name in known if name.rpartition(".")[2] == key.rpartition(".")[2]]
    near += [name for name in difflib.get_close_matches(key, known, n=3, cutoff=0.6) if name not in near]
    if near:
        return f"unknown key {key}: did you mean {' or '.join(near)}?"
    return f"unknown key {key}: known are {', '.join(sorted({name.partition('.')[0] for name in known}))}"


def _read_preset(name: str) -> dict[str, Any]:
    if name not in preset_names():
        raise ConfigError(f"unknown preset {name!r}: known are {', '.join(preset_names())}")
    path = PRESETS / f"{name}.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _put(tree: dict[str, Any], key: str, value: object) -> None:
    section, _, leaf = key.rpartition(".")
    (tree.setdefault(section, {}) if section else tree)[leaf] = value


def _parse(text: str, field: FieldInfo) -> object:
    if text in {"none", "null"} and type(None) in get_args(field.annotation):
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        parsed = {"value": text}
        if get_origin(field.annotation) is tuple and text[0] not in "[{\"'":
            parsed = {"value": [word.strip() for word in text.split(",")]}
    return parsed["value"] if len(parsed) == 1 else text


def _validate(text: str) -> Config:
    # JSON keeps the sections strict (no "3" for 3) and still has an int for a float and a list for a tuple.
    try:
        return Config.model_validate_json(text)
    except ValidationError as error:
        raise ConfigError("; ".join(_complaint(problem) for problem in error.errors(include_url=False))) from error


def _complaint(problem: ErrorDetails) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return _unknown(key, list(_fields()))
    wanted = problem["msg"].removeprefix("Input should be ")
    wanted = f"a number {wanted}" if wanted.startswith(("greater", "less")) else wanted
    return f"{key or 'config'}: got {_show(problem['input'])}, wanted {wanted}"


def _show(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
