"""What this machine is: GPUs, memory, and the preset that fits."""

from __future__ import annotations

import os

import psutil

_GIB = 1024**3
_AUTO = (("gpu-80gb", 70 * _GIB), ("gpu-24gb", 20 * _GIB))
"""Presets by the GPU memory that they need, largest first; a smaller GPU runs the small model of `cpu`."""


def gpu_memory_bytes() -> list[int]:
    """Return the memory of each GPU that the NVIDIA driver shows; empty without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        count = pynvml.nvmlDeviceGetCount()
        return [
            int(pynvml.nvmlDeviceGetMemoryInfo(pynvml.nvmlDeviceGetHandleByIndex(index)).total)
            for index in range(count)
        ]
    finally:
        pynvml.nvmlShutdown()


def gpu_names() -> list[str]:
    """Return the name of each GPU that the NVIDIA driver shows."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        count = pynvml.nvmlDeviceGetCount()
        return [str(pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(index))) for index in range(count)]
    finally:
        pynvml.nvmlShutdown()


def preset_for(gpus: list[int] | None = None) -> str:
    """Return the preset that `auto` means on this machine.

    Args:
        gpus: Memory of each GPU, bytes; None looks.
    """
    largest = max(gpu_memory_bytes() if gpus is None else gpus, default=0)
    return next((preset for preset, need in _AUTO if largest >= need), "cpu")


def cpus() -> int:
    """Return how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))


def memory_bytes() -> int:
    """Return the machine's memory."""
    return int(psutil.virtual_memory().total)
