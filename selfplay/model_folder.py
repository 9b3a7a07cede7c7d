"""What makes a folder a model's folder: config, tokenizer with a chat template, whole safetensors files."""

from __future__ import annotations

import json
import re
from pathlib import Path

from selfplay.errors import UserError

TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json")


def check_folder(folder: Path) -> None:
    """Return if `folder` holds a config, a tokenizer and whole safetensors files.

    Raises:
        UserError: Something is missing or cut short; the message names it.
    """
    try:
        config = json.loads((folder / "config.json").read_text())
        index = folder / "model.safetensors.index.json"
        shards = sorted(set(json.loads(index.read_text())["weight_map"].values())) if index.exists() else []
    except FileNotFoundError:
        raise UserError(f"{folder}: no config.json, so this is not a model's folder") from None
    except (ValueError, KeyError) as error:
        raise UserError(f"{folder}: config.json or the weights' index cannot be read: {error}") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise UserError(f"{folder}/config.json: no model_type, so this is not a model's folder")
    if (folder / "adapter_config.json").exists() or not any((folder / name).exists() for name in TOKENIZER_FILES):
        raise UserError(f"{folder}: no tokenizer (one of {', '.join(TOKENIZER_FILES)})")
    if not (folder / "chat_template.jinja").exists() and not _chat_template(folder / "tokenizer_config.json"):
        raise UserError(f"{folder}: no chat template; an instruction-tuned model is needed")
    files = [folder / shard for shard in shards] or sorted(folder.glob("*.safetensors"))
    if not files:
        raise UserError(f"{folder}: no safetensors files; other formats of weights are not read")
    for file in files:
        _check_safetensors(file)


def _chat_template(file: Path) -> bool:
    try:
        return bool(json.loads(file.read_text()).get("chat_template"))
    except (FileNotFoundError, ValueError, AttributeError):
        return False


def _check_safetensors(file: Path) -> None:
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, size)))
        end = max(row["data_offsets"][1] for name, row in header.items() if name != "__metadata__")
    except FileNotFoundError:
        raise UserError(f"{file}: missing, though the weights' index names it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: not a safetensors file") from error
    if size != 8 + length + end:
        raise UserError(f"{file}: {size} bytes where its header says {8 + length + end}; it is cut short or damaged")


def card_licence(folder: Path) -> str | None:
    """Return the licence that a model card's front matter names."""
    card = folder / "README.md"
    text = card.read_text(errors="replace") if card.is_file() else ""
    front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
    found = re.search(r"^license:[ \t]*(\S+)", front[1], re.MULTILINE) if front else None
    return found[1] if found else None
