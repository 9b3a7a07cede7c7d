"""Greedy answers of a model, from each of the forms that it is exported in.

    python -m tests.answers [[FORM, FOLDER, DTYPE, ADAPTER or null], ...]

FORM is "model" (a folder of safetensors, with the adapter on top of it if one is named), "gguf" (the one GGUF file in
the folder) or "vllm" (a folder of safetensors, served by vLLM). The last line printed is JSON, a list for each job: the
ids of the tokens that follow each of PROMPTS.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from selfplay.weights import cut_as_trained

PROMPTS = (
    "Write a Python function that returns the sum of two numbers.",
    "Return the length of the text s. The function starts with `def length(s: str) -> int:`.",
    "How many days does a week have? Answer in one sentence.",
    "x = [\n        1,\n        22\n]\nWhat is x[1]?",
)
TOKENS = 32


def load(form: str, folder: Path, dtype: str, adapter: str | None) -> tuple[Any, Any]:
    """Return model and tokenizer."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    source: dict[str, Any] = {"pretrained_model_name_or_path": folder}
    if form == "gguf":
        (file,) = folder.glob("*.gguf")
        source["gguf_file"] = file.name
    model = AutoModelForCausalLM.from_pretrained(**source, dtype=dtype)
    if adapter is not None:
        model = PeftModel.from_pretrained(model, adapter)
    tokenizer = AutoTokenizer.from_pretrained(**source)
    if form == "gguf":
        cut_as_trained(tokenizer, folder / file.name)  # llama.cpp does it by itself
    return model, tokenizer


def answers_of_vllm(folder: Path, dtype: str) -> list[list[int]]:
    """Return the tokens that follow each prompt in vLLM, in this process."""
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm import LLM, SamplingParams

    sizes: dict[str, Any] = {"max_model_len": 512, "max_num_seqs": 1, "kv_cache_memory_bytes": 2**28}
    engine = LLM(model=str(folder), dtype=dtype, enforce_eager=True, **sizes)
    greedy = SamplingParams(temperature=0.0, max_tokens=TOKENS)
    chats = [[{"role": "user", "content": prompt}] for prompt in PROMPTS]
    return [list(engine.chat([chat], greedy, use_tqdm=False)[0].outputs[0].token_ids) for chat in chats]


def answers(form: str, folder: Path, dtype: str, adapter: str | None = None) -> list[list[int]]:
    """Return the tokens that follow each prompt, one prompt at a time."""
    import torch

    if form == "vllm":
        return answers_of_vllm(folder, dtype)
    model, tokenizer = load(form, folder, dtype, adapter)
    found = []
    for prompt in PROMPTS:
        chat = [{"role": "user", "content": prompt}]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True, return_tensors="pt")
        with torch.no_grad():
            out = model.generate(**asked, max_new_tokens=TOKENS, do_sample=False)
        found.append(out[0, asked["input_ids"].shape[1] :].tolist())
    return found


if __name__ == "__main__":
    jobs = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps([answers(form, Path(folder), *rest) for form, folder, *rest in jobs]) + "\n")
