"""A GGUF file of a model's folder: written here where the model is known, else by llama.cpp's own converter."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from selfplay.errors import HostError
from selfplay.export import gguf_file
from selfplay.export.gguf_file import UnknownModelError
from selfplay.worker_environment import environment

SCRIPT = "convert_hf_to_gguf.py"
FOLDER_VARIABLE = "LLAMA_CPP_DIR"
"""Names a checkout of llama.cpp."""


def write_gguf(model: Path, out: Path, *, name: str, licence: str | None, log: Path) -> None:
    """Write the GGUF file `out` of a bfloat16 model's folder.

    What gguf_file.py knows is written by it, so that the file does not depend on what else is installed.

    Args:
        model: The folder.
        out: File to make.
        name: What the file calls the model.
        licence: Of the base model.
        log: File that collects what llama.cpp's converter prints.

    Raises:
        UnknownModelError: Nothing here can write it.
        HostError: llama.cpp's converter failed.
    """
    try:
        gguf_file.write(model, out, name=name, licence=licence)
    except UnknownModelError as unknown:
        out.unlink(missing_ok=True)
        script = converter()
        if script is None:
            raise UnknownModelError(
                f"{unknown}. llama.cpp's {SCRIPT} knows more: put it into PATH, or name its folder with "
                f"{FOLDER_VARIABLE}"
            ) from unknown
        _convert(script, model, out, name, log)


def converter() -> Path | None:
    """Return llama.cpp's converter, if this machine has one."""
    named = os.environ.get(FOLDER_VARIABLE)
    beside = Path(named).expanduser() / SCRIPT if named else None
    if beside is not None and beside.is_file():
        return beside
    found = shutil.which(SCRIPT)
    return Path(found) if found else None


def _convert(script: Path, model: Path, out: Path, name: str, log: Path) -> None:
    command = [
        sys.executable,
        str(script),
        str(model),
        "--outfile",
        str(out),
        "--outtype",
        "bf16",
        "--model-name",
        name,
    ]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, check=False, env=environment() | _UNWRITTEN
        )
    if done.returncode != 0 or not out.is_file():
        last = log.read_text(errors="replace").strip().splitlines()[-1:]
        raise HostError(f"{script} ended with status {done.returncode}; its log {log} ends: {''.join(last)}")


_UNWRITTEN = {"PYTHONDONTWRITEBYTECODE": "1"}
"""Leave the checkout as it is."""
