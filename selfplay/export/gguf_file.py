"""A model's folder becomes one GGUF file for llama.cpp and its kin, every weight bit for bit.

Matrices stay bfloat16; norms and biases, which llama.cpp wants so, become float32, which holds every bfloat16. The rows
of a llama's q_proj and k_proj are put into the order that llama.cpp's rotary embedding expects. No model library is
needed: files are mapped and written one tensor after the other.

What is known here: the architectures llama and qwen2, and byte-level BPE with one of three ways to cut text into
words, told by what tokenizer.json says (not by the model's name: the same model from another source may come with
another tokenizer.json). `python convert_hf_to_gguf.py` of llama.cpp, where it is installed, does other architectures.

Source: llama.cpp, convert_hf_to_gguf.py (`LlamaModel`, `Qwen2Model`, `get_vocab_base`), whose metadata this follows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from selfplay.channel import Json
from selfplay.errors import UserError

if TYPE_CHECKING:
    from gguf import GGUFWriter

ARCHITECTURES = {"LlamaForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}
"""Class of transformers -> llama.cpp's name."""
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5
"""Types of tokens, as GGUF counts them."""


class UnknownModelError(UserError):
    """A model that this module cannot write; the message says what is unknown."""


def write(model: Path, out: Path, *, name: str, licence: str | None) -> None:
    """Write the GGUF file `out`.

    Args:
        model: Folder of a bfloat16 model, as `models.merge` leaves it.
        out: File to make.
        name: What the file calls the model.
        licence: Of the base model.

    Raises:
        UnknownModelError: Its architecture, or its tokenizer, is none of those known here.
    """
    import gguf

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((model / "tokenizer.json").read_text(encoding="utf-8"))
    architecture, words = architecture_of(config), words_of(tokenizer)
    writer = gguf.GGUFWriter(out, architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name(name)
    if licence is not None:
        writer.add_license(licence)
    _add_shape(writer, config, architecture)
    _add_vocabulary(writer, model, tokenizer, words, config["vocab_size"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[architecture.upper()], config["num_hidden_layers"])
    for source, halves in _tensors(model):
        target = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if target is None:
            raise UnknownModelError(f"{model}: llama.cpp's {architecture} has no tensor for {source}")
        kept = rope_order(halves, _heads(config, source)) if architecture == "llama" else halves
        if kept.ndim == 1:
            writer.add_tensor(target, (kept.astype(np.uint32) << 16).view(np.float32))
        else:
            bytes_ = np.ascontiguousarray(kept).view(np.uint8)
            writer.add_tensor(target, bytes_, raw_dtype=gguf.GGMLQuantizationType.BF16)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def architecture_of(config: Json) -> str:
    """Return llama.cpp's name of a model's architecture.

    Raises:
        UnknownModelError: It is not known here, or has a part that is not.
    """
    (found,) = config.get("architectures") or ["none"]
    if found not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise UnknownModelError(f"no GGUF file can be written of a {found}: {known} are known here")
    rope = config.get("rope_parameters") or {}
    odd = {
        "rope_parameters.rope_type": rope.get("rope_type", "default") != "default",
        "rope_parameters.rope_theta": "rope_theta" not in rope,
        "use_sliding_window": bool(config.get("use_sliding_window")),
        "hidden_act": config.get("hidden_act") != "silu",
    }
    for key, strange in odd.items():
        if strange:
            raise UnknownModelError(f"no GGUF file can be written of a {found} with the {key} of this config.json")
    return ARCHITECTURES[found]


def words_of(tokenizer: Json) -> str:
    """Return llama.cpp's name for the way in which a tokenizer.json cuts text into words.

    Raises:
        UnknownModelError: It is not byte-level BPE, or its way is not known here.
    """
    way = tokenizer.get("pre_tokenizer") or {}
    steps = way["pretokenizers"] if way.get("type") == "Sequence" else [way]
    last, before = steps[-1], steps[:-1]
    bytes_ = last.get("type") == "ByteLevel" and not last.get("add_prefix_space")
    plain = tokenizer["model"].get("type") == "BPE" and not tokenizer["model"].get("ignore_merges")
    normal = (tokenizer.get("normalizer") or {"type": "NFC"})["type"] == "NFC"
    if bytes_ and plain and normal:
        if not before and last.get("use_regex"):
            return "gpt-2"
        if [step["type"] for step in before] == ["Digits"] and before[0]["individual_digits"] and last.get("use_regex"):
            return "smollm"
        if [step.get("pattern") for step in before] == [{"Regex": QWEN_WORDS}] and not last.get("use_regex"):
            return "qwen2"
    raise UnknownModelError(
        "no GGUF file can be written with this tokenizer.json: its way to cut text is not known here"
    )


def rope_order(rows: NDArray[np.uint16], heads: int | None) -> NDArray[np.uint16]:
    """Return the rows of a q or k projection as llama.cpp has them: halves of each head interleaved.

    transformers turns pairs (i, i + d/2) of a head's d rows, llama.cpp pairs (2i, 2i + 1). With a head of 4 rows, rows
    0 1 2 3 become 0 2 1 3.

    Args:
        rows: (heads * d, ...) weights or biases.
        heads: None where there is no such order.

    Source: llama.cpp, `LlamaModel.permute`.
    """
    if heads is None:
        return rows
    cut = rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:])
    return cut.swapaxes(1, 2).reshape(rows.shape)


def _heads(config: Json, tensor: str) -> int | None:
    found = re.search(r"\.self_attn\.([qk])_proj\.(?:weight|bias)$", tensor)
    if found is None:
        return None
    return int(config["num_attention_heads" if found[1] == "q" else "num_key_value_heads"])


def _add_shape(writer: GGUFWriter, config: Json, architecture: str) -> None:
    import gguf

    head = config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    if architecture == "llama":
        writer.add_rope_dimension_count(head)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_vocabulary(writer: GGUFWriter, model: Path, tokenizer: Json, words: str, size: int) -> None:
    """Add tokens, merges, special tokens and the chat template."""
    import gguf

    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [_UNUSED] * size
    for token, number in tokenizer["model"]["vocab"].items():
        tokens[number], types[number] = token, _NORMAL
    for added in tokenizer["added_tokens"]:
        text, number = added["content"], added["id"]
        control = added["special"] or (text.startswith("<|") and text.endswith("|>"))
        tokens[number], types[number] = text, _CONTROL if control else _USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    special = gguf.SpecialVocab(model, load_merges=True, n_vocab=size)
    special.add_special_token.setdefault("bos", False)
    special.add_to_gguf(writer, quiet=True)


def _tensors(model: Path) -> Iterator[tuple[str, NDArray[np.uint16]]]:
    """Yield the tensors of a folder, mapped from its files, as the upper halves of float32."""
    for file in sorted(model.glob("*.safetensors")):
        with file.open("rb") as stream:
            start = 8 + int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(start - 8))
        data = np.memmap(file, np.uint8, "r")
        for name, row in sorted(header.items()):
            if name == "__metadata__":
                continue
            if row["dtype"] != "BF16":
                raise UnknownModelError(f"{file}: {name} is {row['dtype']}; only BF16 is written to GGUF files here")
            begin, end = row["data_offsets"]
            yield name, data[start + begin : start + end].view(np.uint16).reshape(row["shape"])
