"""What a worker finds in its environment: built from a short list, so that no secret of the parent's gets there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

KEPT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "LD_LIBRARY_PATH",
    "CUDA_HOME",
    "CUDA_VISIBLE_DEVICES",
)
"""What a worker's environment takes from the parent's; everything else, tokens and proxies included, is left behind."""

ROOT = Path(__file__).resolve().parent.parent


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return a worker's whole environment: the kept names, what every worker is told, and `extra` on top."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    told = {
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "VLLM_NO_USAGE_STATS": "1",
    }
    return {**kept, **told, **(extra or {})}


def cpu_environment(cores: Sequence[int] | None = None) -> dict[str, str]:
    """Return the variables that make torch and vLLM fast on a CPU.

    Args:
        cores: Core numbers to run on; None is every core this process may use.

    Returns:
        One thread a core, none kept back; Intel's OpenMP and, where the system has it, tcmalloc, both preloaded.
    """
    used = sorted(cores if cores is not None else os.sched_getaffinity(0))
    libraries = preloads()
    return {
        "OMP_NUM_THREADS": str(len(used)),
        "KMP_BLOCKTIME": "5",
        "KMP_TPAUSE": "0",
        "VLLM_CPU_OMP_THREADS_BIND": ",".join(map(str, used)),
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
        **({"LD_PRELOAD": ":".join(map(str, libraries))} if libraries else {}),
    }


def preloads() -> list[Path]:
    """Return the allocator and the OpenMP library to preload on a CPU: whichever of the two this machine has."""
    folders = [*sorted(Path("/usr/lib").glob("*-linux-gnu")), Path("/usr/lib64")]
    names = ("libtcmalloc_minimal.so*", "libtcmalloc.so*")
    tcmalloc = [hit for name in names for folder in folders for hit in sorted(folder.glob(name))]
    openmp = Path(sys.prefix) / "lib" / "libiomp5.so"
    return tcmalloc[:1] + ([openmp] if openmp.is_file() else [])
