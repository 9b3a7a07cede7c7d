"""Every number of a run.

A run's config is a preset (presets/*.toml) over the defaults below, with `--set section.key=value` on top. Unknown
keys, wrong types and values out of range raise `ConfigError`, whose message names the key and what would be accepted.
The number of rounds and the sections `keep`, `track` and `watchdog` are no part of a run's identity: the same run
continues with others.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from selfplay.errors import UserError
from selfplay.sections import (
    Benchmark,
    Gate,
    Generate,
    Keep,
    Model,
    Problems,
    SandboxSection,
    Section,
    Select,
    Track,
    Train,
)
from selfplay.watchdog import Watchdog

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

PRESETS = Path(__file__).parent / "presets"
FREE = ("keep", "track", "watchdog")
"""Sections that a run may change at every start."""


class ConfigError(UserError):
    """What the user asked for cannot be a config; the message says which key and what to do."""


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
    track: Track = Track()
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


def identity(config: Config) -> str:
    """Return what makes two runs the same, as canonical JSON: all but `FREE`, and where the problems lie.

    What the problems say is in the hash of a run's data.
    """
    whole = config.model_dump(mode="json", exclude={**dict.fromkeys(FREE, True), "problems": {"source"}})
    return json.dumps(whole, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


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
    if text == "none" and get_origin(field.annotation) is tuple:
        return []
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
