"""What this machine is: its GPUs, and the preset that fits."""

from __future__ import annotations

import os
from dataclasses import dataclass

_GIB = 1024**3
_AUTO = (("gpu-80gb", 70 * _GIB), ("gpu-24gb", 20 * _GIB))
"""Presets by the GPU memory that they need, largest first; a smaller GPU runs the small model of `cpu`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """A GPU as the NVIDIA driver shows it."""

    name: str
    memory_bytes: int

    def __str__(self) -> str:
        return f"{self.name} ({self.memory_bytes / _GIB:.0f} GiB)"


def gpus() -> list[Gpu]:
    """Return every GPU that the NVIDIA driver shows; none without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
        return [
            Gpu(
                name=str(pynvml.nvmlDeviceGetName(handle)),
                memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
            )
            for handle in handles
        ]
    finally:
        pynvml.nvmlShutdown()


def preset_for(found: list[Gpu] | None = None) -> str:
    """Return the preset that `auto` means on this machine.

    Args:
        found: The GPUs; None looks.
    """
    largest = max((gpu.memory_bytes for gpu in (gpus() if found is None else found)), default=0)
    return next((preset for preset, need in _AUTO if largest >= need), "cpu")


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
