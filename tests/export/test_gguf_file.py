"""A model's folder as a GGUF file: every weight bit for bit, where llama.cpp looks; what is unknown is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfplay.errors import HostError
from selfplay.export.convert import FOLDER_VARIABLE, SCRIPT, write_gguf
from selfplay.export.gguf_file import QWEN_WORDS, UnknownModelError, architecture_of, rope_order, words_of, write
from tests.test_models import HIDDEN, LAYERS, SPECIAL, TEMPLATE, vocabulary, write_model

BYTES = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
QWEN = {"type": "Split", "pattern": {"Regex": QWEN_WORDS}, "behavior": "Isolated", "invert": False}
CONVERTER = """
import pathlib, sys
if "--fail" in {words!r}: raise SystemExit("it will not")
pathlib.Path(sys.argv[sys.argv.index("--outfile") + 1]).write_text(" ".join(sys.argv[1:]))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A tiny llama in bfloat16, as merging leaves it."""
    folder = write_model(tmp_path / "model")
    file = folder / "model.safetensors"
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    for name, row in header.items():
        if name != "__metadata__":
            row |= {"dtype": "BF16", "data_offsets": [offset // 2 for offset in row["data_offsets"]]}
    halves = (np.frombuffer(data[8 + length :], np.uint32) >> 16).astype(np.uint16)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + halves.tobytes())
    config = json.loads((folder / "config.json").read_text())
    config["rope_parameters"] = {"rope_theta": 10000.0, "rope_type": "default"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def halves_of(model: Path) -> dict[str, np.ndarray]:
    """Return the tensors of `model`, read by the library for it."""
    import torch
    from safetensors.torch import load_file

    return {name: row.view(torch.uint16).numpy() for name, row in load_file(model / "model.safetensors").items()}


def test_every_weight_is_there_bit_for_bit(model: Path, tmp_path: Path) -> None:
    write(model, tmp_path / "out.gguf", name="mine", licence="mit")
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "out.gguf").tensors}
    wanted = halves_of(model)
    assert len(found) == len(wanted)
    for layer in range(LAYERS):
        head = f"model.layers.{layer}"
        for part, name in (("v", "attn_v"), ("o", "attn_output")):
            rows = found[f"blk.{layer}.{name}.weight"].data.view(np.uint16)
            assert np.array_equal(rows, wanted[f"{head}.self_attn.{part}_proj.weight"])
        for part in "qk":
            rows = found[f"blk.{layer}.attn_{part}.weight"].data.view(np.uint16)
            source = wanted[f"{head}.self_attn.{part}_proj.weight"]
            size = HIDDEN // 2
            order = [
                head_ * size + half * size // 2 + i for head_ in (0, 1) for i in range(size // 2) for half in (0, 1)
            ]
            assert np.array_equal(rows, source[order])
            assert not np.array_equal(rows, source)
    norm = found["output_norm.weight"]
    assert norm.tensor_type == gguf.GGMLQuantizationType.F32
    assert np.array_equal(norm.data, np.ones(HIDDEN, np.float32))
    assert found["output.weight"].tensor_type == gguf.GGMLQuantizationType.BF16


def test_tokenizer_and_template_are_in_the_file(model: Path, tmp_path: Path) -> None:
    write(model, tmp_path / "out.gguf", name="mine", licence="mit")
    fields = gguf.GGUFReader(tmp_path / "out.gguf").fields
    told = {key: field.contents() for key, field in fields.items()}
    assert told["general.architecture"] == "llama"
    assert (told["general.name"], told["general.license"]) == ("mine", "mit")
    assert told["tokenizer.ggml.model"] == "gpt2"
    assert told["tokenizer.ggml.pre"] == "gpt-2"
    assert told["tokenizer.ggml.tokens"] == vocabulary()
    types = told["tokenizer.ggml.token_type"]
    assert [vocabulary()[at] for at, kind in enumerate(types) if kind == gguf.TokenType.CONTROL] == SPECIAL
    assert set(types) == {gguf.TokenType.CONTROL, gguf.TokenType.NORMAL}
    assert (told["tokenizer.ggml.bos_token_id"], told["tokenizer.ggml.eos_token_id"]) == (1, 2)
    assert told["tokenizer.ggml.add_bos_token"] is False
    assert told["tokenizer.chat_template"] == TEMPLATE
    assert told["llama.rope.freq_base"] == 10000.0


@given(heads=st.integers(1, 4), half=st.integers(1, 4), columns=st.integers(1, 3))
def test_row_i_of_each_half_of_a_head_becomes_rows_2i_and_2i_plus_1(heads: int, half: int, columns: int) -> None:
    rows = np.arange(heads * 2 * half * columns, dtype=np.uint16).reshape(heads * 2 * half, columns)
    made = rope_order(rows, heads)
    for head in range(heads):
        for i in range(half):
            for side in (0, 1):
                assert np.array_equal(made[head * 2 * half + 2 * i + side], rows[head * 2 * half + side * half + i])
    assert np.array_equal(rope_order(rows, None), rows)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        (BYTES, "gpt-2"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES]}, "smollm"),
        ({"type": "Sequence", "pretokenizers": [QWEN, {**BYTES, "use_regex": False}]}, "qwen2"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": False}, BYTES]}, None),
        ({"type": "Sequence", "pretokenizers": [QWEN, BYTES]}, None),
        ({**BYTES, "add_prefix_space": True}, None),
        ({"type": "Whitespace"}, None),
        (None, None),
    ],
)
def test_the_way_to_cut_text_is_told_by_the_tokenizer_itself(way: dict[str, Any] | None, name: str | None) -> None:
    tokenizer = {"pre_tokenizer": way, "model": {"type": "BPE"}, "normalizer": None}
    if name is not None:
        assert words_of(tokenizer) == name
        for broken in ({"model": {"type": "Unigram"}}, {"normalizer": {"type": "Lowercase"}}):
            with pytest.raises(UnknownModelError, match="way to cut text"):
                words_of({**tokenizer, **broken})
    else:
        with pytest.raises(UnknownModelError, match="way to cut text"):
            words_of(tokenizer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architectures": ["GemmaForCausalLM"]},
            "of a GemmaForCausalLM: LlamaForCausalLM, Qwen2For",
        ),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0}}, r"rope_parameters\.rope_type"),
        ({"rope_parameters": None}, r"rope_parameters\.rope_theta"),
        ({"use_sliding_window": True}, "use_sliding_window"),
        ({"hidden_act": "gelu"}, "hidden_act"),
    ],
)
def test_a_model_that_is_not_known_is_refused(change: dict[str, Any], message: str) -> None:
    good = {
        "architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu",
        "rope_parameters": {"rope_type": "default", "rope_theta": 1.0},
    }  # fmt: skip
    assert architecture_of(good) == "qwen2"
    with pytest.raises(UnknownModelError, match=message):
        architecture_of({**good, **change})


def unknown(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config | {"architectures": ["OtherForCausalLM"]}))


def make(model: Path, out: Path) -> None:
    write_gguf(model, out, name="mine", licence=None, log=out.with_suffix(".log"))


def test_what_is_not_known_here_goes_to_llama_cpps_converter(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / SCRIPT).write_text(CONVERTER.format(words=[]))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    make(model, tmp_path / "known.gguf")
    assert (tmp_path / "known.gguf").read_bytes()[:4] == b"GGUF", "what is known is written here"
    unknown(model)
    make(model, tmp_path / "out.gguf")
    told = (tmp_path / "out.gguf").read_text()
    assert told == f"{model} --outfile {tmp_path / 'out.gguf'} --outtype bf16 --model-name mine"
    (tmp_path / SCRIPT).write_text(CONVERTER.format(words=["--fail"]))
    with pytest.raises(HostError, match=r"ended with status 1; its log .* ends: it will not"):
        make(model, tmp_path / "again.gguf")


def test_without_that_converter_the_message_says_how_to_name_it(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown(model)
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnknownModelError, match="LLAMA_CPP_DIR"):
        make(model, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()
