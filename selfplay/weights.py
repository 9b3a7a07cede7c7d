"""Worker: weights in, weights out. Turns a GGUF file into a safetensors folder, and merges an adapter into its base.

Runs in a process of its own (for `models.resolve` and `models.merge`): ending it is the only dependable way to give the
memory back.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfplay.channel import Channel, Json, serve

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

END_OF_TURN = ("<|im_end|>", "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<end_of_turn>")
"""Tokens that end a reply wherever a tokenizer has them as special tokens."""


def main(job: Json, channel: Channel) -> None:
    """Do the job's task.

    Messages out: `{"error": text}` where the input is at fault, and `{"reading": bool}` around the readers of
    others, who raise all kinds of errors on a bad file.
    """
    out = Path(job["out"])
    try:
        if job["task"] == "convert":
            channel.send({"reading": True})
            model, tokenizer = read_gguf(Path(job["gguf"]))
            channel.send({"reading": False})
            write(model, tokenizer, out)
        else:
            merge(Path(job["base"]), Path(job["adapter"]), out)
    except BadInputError as error:
        channel.send({"error": str(error)})


class BadInputError(Exception):
    """A file that cannot be what it is given as; the message says why."""


def read_gguf(path: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return the model, as bfloat16, and the tokenizer of a GGUF file."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source: dict[str, Any] = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    tokenizer = AutoTokenizer.from_pretrained(**source)
    # Without the explicit config the model stays marked as quantised, and such a model cannot be saved.
    model = AutoModelForCausalLM.from_pretrained(
        **source, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    cut_as_trained(tokenizer, path)
    return model, tokenizer


def cut_as_trained(tokenizer: PreTrainedTokenizerBase, gguf: Path) -> None:
    """Have the tokenizer cut text into words as its model was trained to.

    A GGUF file names the way in `tokenizer.ggml.pre`; transformers 5.19 does not read it for models of class llama, and
    takes the way of GPT-2. "smollm" (llama.cpp, llama-vocab.cpp) takes digits one by one before that.
    """
    from gguf import GGUFReader
    from tokenizers import pre_tokenizers

    named = GGUFReader(gguf).fields.get("tokenizer.ggml.pre")
    if named is not None and named.contents() == "smollm":
        steps = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)


def write(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Write a model's folder in which replies end at every token of `END_OF_TURN` that the tokenizer knows.

    Raises:
        BadInputError: There is no usable chat template.
    """
    model.generation_config.eos_token_id = end_tokens(tokenizer)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def end_tokens(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return the ids of the tokens that end a reply, the tokenizer's own end-of-sequence token first.

    Raises:
        BadInputError: There is no chat template, or a turn rendered by it is not ended by any of them.
    """
    if not tokenizer.chat_template:
        raise BadInputError("has no chat template: an instruction-tuned model is needed")
    special = {token.content: number for number, token in tokenizer.added_tokens_decoder.items() if token.special}
    known = {str(tokenizer.eos_token): int(tokenizer.eos_token_id), **special}
    texts = [text for text in known if text == tokenizer.eos_token or text in END_OF_TURN]
    turns = [{"role": "user", "content": "question"}, {"role": "assistant", "content": "my answer"}]
    rest = str(tokenizer.apply_chat_template(turns, tokenize=False)).rpartition("my answer")[2]
    if not any(text in rest for text in texts):
        raise BadInputError(f"has a chat template whose turns end in {rest!r}, which is no end token: {texts}")
    return [known[text] for text in texts]


def merge(base: Path, adapter: Path, out: Path) -> None:
    """Write base + adapter to the folder `out`: summed in float32, stored as bfloat16, with the base's tokenizer.

    Raises:
        BadInputError: The adapter is not one of this base.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    try:
        merged = PeftModel.from_pretrained(model, adapter).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError, KeyError) as error:
        raise BadInputError(f"cannot be merged into {base}: {error}") from error
    merged.to(torch.bfloat16)
    merged.config.dtype = torch.bfloat16
    merged.save_pretrained(out)
    written = {file.name for file in out.iterdir()} - {"generation_config.json"}
    for file in sorted(base.iterdir()):
        if file.is_file() and file.name not in written and ".safetensors" not in file.name:
            shutil.copyfile(file, out / file.name)


if __name__ == "__main__":
    serve(main)
