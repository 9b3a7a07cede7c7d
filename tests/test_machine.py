"""What the driver says of the GPUs, and which preset that means."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from selfplay.machine import Gpu, gpus, preset_for

GIB = 1024**3


def test_a_large_gpu_gets_the_large_preset_and_a_small_one_the_small_model() -> None:
    def of(gib: int) -> Gpu:
        return Gpu(name="GPU", memory_bytes=gib * GIB)

    assert preset_for([of(80)]) == "gpu-80gb"
    assert preset_for([of(24)]) == "gpu-24gb"
    assert preset_for([of(8)]) == "cpu"
    assert preset_for([of(8), of(80)]) == "gpu-80gb"
    assert preset_for([]) == "cpu"


def test_every_gpu_of_the_driver_is_named_with_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    for name, answer in {
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: closed.append(True),
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: f"Card {handle}",
        "nvmlDeviceGetMemoryInfo": lambda handle: SimpleNamespace(total=(24 + handle) * GIB),
    }.items():
        monkeypatch.setattr(pynvml, name, answer)
    assert [str(gpu) for gpu in gpus()] == ["Card 0 (24 GiB)", "Card 1 (25 GiB)"]
    assert closed == [True]


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise pynvml.NVMLError_LibraryNotFound

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert gpus() == []
