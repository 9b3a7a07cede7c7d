"""The config: presets, overrides, messages, canonical JSON, differences."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay import problems
from selfplay.config import PRESETS, Config, ConfigError, diff, from_json, identity, load, preset_names, to_json

configs = st.builds(
    lambda preset, codes, temperature, limit, gate, seed: load(
        preset,
        seed=seed,
        **{
            "generate.codes": codes,
            "generate.temperature": temperature,
            "benchmark.limit": limit,
            "benchmark.gate": gate,
        },
    ),
    preset=st.sampled_from(preset_names()),
    codes=st.integers(2, 10**6),
    temperature=st.one_of(st.integers(0, 2), st.floats(0, 2)),
    limit=st.one_of(st.none(), st.integers(1, 10**6)),
    gate=st.lists(st.text(max_size=5), max_size=3),
    seed=st.integers(0, 2**63),
)


def complaint(*overrides: str, **fields: object) -> str:
    with pytest.raises(ConfigError) as caught:
        load("cpu", overrides, **fields)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_presets_are_the_documented_ones() -> None:
    assert preset_names() == ["cpu", "gpu-24gb", "gpu-80gb", "paper", "smoke"]


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_says_its_name(name: str) -> None:
    assert load(name).preset == name
    assert (PRESETS / f"{name}.toml").read_text().startswith("# ")


def test_the_cpu_preset_changes_sizes_and_no_rule() -> None:
    cpu, default = load("cpu"), Config()
    assert (cpu.select, cpu.train, cpu.benchmark, cpu.gate) == (
        default.select,
        default.train,
        default.benchmark,
        default.gate,
    )


def test_the_paper_preset_has_as_many_tests_as_codes_and_no_filter_of_ours() -> None:
    config = load("paper")
    assert config.generate.codes == config.generate.tests == 16
    assert config.select.model_dump() == {
        "rule": "dstc",
        "cross_check": False,
        "min_passed": 1,
        "min_agree": 1,
        "max_similarity": 1.0,
        "drop_vacuous": False,
        "concat": True,
        "trusts": ("split",),
    }


@pytest.mark.parametrize("name", preset_names())
def test_prompts_and_replies_of_every_preset_fit_its_model(name: str) -> None:
    config = load(name)
    longest = max(config.generate.code_max_tokens, config.generate.test_max_tokens, config.benchmark.max_tokens)
    assert longest + 256 <= config.model.max_len
    assert config.generate.code_max_tokens < config.train.max_length


@pytest.mark.parametrize("name", preset_names())
def test_no_preset_asks_for_more_problems_than_its_source_has(name: str) -> None:
    config = load(name)
    assert config.problems.per_round <= len(problems.load(config.problems.source))
    assert config.train.min_pairs <= config.problems.per_round / 4


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown preset 'gpu': known are cpu, gpu-24gb, gpu-80gb, paper, smoke"):
        load("gpu")
    with pytest.raises(ConfigError, match="unknown preset"):
        load("../presets/cpu")


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("generate.codes=5", "codes", 5),
        (" generate.codes = 5 ", "codes", 5),
        ("generate.temperature=1", "temperature", 1.0),
        ("generate.temperature=5e-1", "temperature", 0.5),
        ("generate.weights=lora", "weights", "lora"),
        ('generate.weights="lora"', "weights", "lora"),
        ("generate.quantization=none", "quantization", "none"),
        ("generate.compile=true", "compile", True),
    ],
)
def test_an_override_is_read_as_toml_and_bare_words_as_text(override: str, key: str, value: object) -> None:
    read = getattr(load("cpu", [override]).generate, key)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("text", ['["a", "b"]', "a,b", " a , b "])
def test_a_list_may_be_written_as_words_with_commas(text: str) -> None:
    assert load("cpu", [f"benchmark.gate={text}"]).benchmark.gate == ("a", "b")


def test_none_clears_a_key_that_may_be_empty() -> None:
    assert load("smoke").benchmark.limit == 12
    assert load("smoke", ["benchmark.limit=none"]).benchmark.limit is None


def test_none_empties_a_list() -> None:
    assert load("cpu", ["track.to=tensorboard"]).track.to == ("tensorboard",)
    assert load("cpu", ["track.to=none"]).track.to == ()


def test_what_may_change_at_every_start_and_where_problems_lie_is_no_part_of_the_identity() -> None:
    other = load("cpu", ["keep.logs=9", "track.to=trackio", "watchdog.starts=5", "problems.source=mine.jsonl"])
    assert identity(other) == identity(load("cpu"))
    assert identity(load("cpu", ["problems.per_round=13"])) != identity(load("cpu"))


def test_a_value_with_a_line_end_stays_one_value() -> None:
    assert load("cpu", ["model.name=1\nb = 1"]).model.name == "1\nb = 1"


def test_the_last_override_wins_over_the_first_and_fields_win_over_both() -> None:
    assert load("cpu", ["seed=1", "seed=2"]).seed == 2
    assert load("cpu", ["seed=1"], seed=3, **{"model.name": "x/y", "model.revision": None}).seed == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("codes=3", "unknown key codes: did you mean generate.codes?"),
        ("generate.code=3", "unknown key generate.code: did you mean generate.codes"),
        ("foo=1", "unknown key foo: known are benchmark, gate, generate, keep, model"),
        ("gate=1", "gate is a section: set one of gate.alpha, gate.margin, gate.min_coverage"),
        ("preset=smoke", "preset is not a key: choose one with --preset"),
        ("generate.codes", "'generate.codes' sets nothing: write section.key=value"),
        ("generate.codes=", "'generate.codes=' sets nothing: write section.key=value"),
        ("generate.codes=1", "generate.codes: got 1, wanted a number greater than or equal to 2"),
        ('generate.codes="3"', 'generate.codes: got "3", wanted a valid integer'),
        ("generate.codes=3.5", "generate.codes: got 3.5, wanted a valid integer"),
        ("generate.compile=yes", 'generate.compile: got "yes", wanted a valid boolean'),
        ("train.beta=nan", "train.beta: got NaN, wanted a finite number"),
        ("model.name=3", "model.name: got 3, wanted a valid string"),
        ("select.rule=dtsc", "select.rule: got \"dtsc\", wanted 'dstc', 'random'"),
        ("select.trusts=split,all", "select.trusts.1: got \"all\", wanted 'split' or 'in_process'"),
    ],
)
def test_a_bad_override_is_refused_in_one_line_that_names_key_value_and_what_is_wanted(
    override: str, message: str
) -> None:
    assert message in complaint(override)


def test_all_bad_values_are_named_at_once() -> None:
    message = complaint("generate.codes=1", "train.beta=0")
    assert "generate.codes: got 1" in message
    assert "train.beta: got 0" in message


def test_an_unknown_field_is_refused_like_an_unknown_key() -> None:
    assert complaint(sede=3) == "unknown key sede: did you mean seed?"


@given(config=configs)
def test_a_config_survives_json(config: Config) -> None:
    assert from_json(to_json(config)) == config


@given(config=configs)
def test_equal_configs_have_equal_json(config: Config) -> None:
    shuffled = json.dumps(dict(reversed(json.loads(to_json(config)).items())))
    assert to_json(from_json(shuffled)) == to_json(config)
    assert to_json(config) == json.dumps(
        json.loads(to_json(config)), sort_keys=True, ensure_ascii=False, separators=(",", ":")
    )


@pytest.mark.parametrize("text", ["{", "[]", '{"generate": {"codez": 3}}'])
def test_text_that_is_no_config_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        from_json(text)


def test_a_difference_is_one_line_a_key_in_the_order_of_the_sections() -> None:
    changed = load("cpu", ["train.beta=0.2", "model.revision=abc", "benchmark.gate=humaneval,mbpp_sanitized"], seed=4)
    assert diff(load("cpu"), changed) == [
        "seed: 0 -> 4",
        'model.revision: null -> "abc"',
        "train.beta: 0.1 -> 0.2",
        'benchmark.gate: ["humaneval"] -> ["humaneval", "mbpp_sanitized"]',
    ]


@given(a=configs, b=configs)
def test_two_configs_differ_exactly_where_their_json_does(a: Config, b: Config) -> None:
    assert bool(diff(a, b)) == (to_json(a) != to_json(b))
