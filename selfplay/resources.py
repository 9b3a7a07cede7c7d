"""What the whole process tree uses now, and the most it has used since somebody asked.

A thread looks once a second. Memory is the sum of what each process has to itself, plus the largest shared part once:
workers and sandbox children share libraries and mapped weights, which a sum of resident sizes would count many times.

Not covered: peaks shorter than the period; the last CPU seconds of processes that ended since the look before (short
sandbox children hardly show); pages that a fork still shares with its parent, which count once a process.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import psutil

PERIOD_S = 1.0
_SHORTEST_S = 0.2
"""Looks closer together than this give no CPU number: the kernel counts in steps of 10 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUsage:
    """The first visible GPU, all processes together."""

    memory_bytes: int
    total_bytes: int
    busy_frac: float | None
    """Share of the last second with a kernel running; None where the driver does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One look at the machine."""

    cpu_cores: float
    """Cores kept busy by the tree since the look before."""
    cores: int
    """Cores that the process may use."""
    memory_bytes: int
    """Of the tree."""
    total_bytes: int
    """Of the machine."""
    processes: int
    gpu: GpuUsage | None = None


class Gpu(Protocol):
    """Where GPU numbers come from."""

    def usage(self) -> GpuUsage | None:
        """Return the GPU's state, or None where it cannot be read."""


class NvidiaGpu:
    """The first GPU that the driver shows; every answer is None without a driver."""

    def __init__(self) -> None:
        import pynvml

        self._nvml = pynvml
        self._device: object | None = None
        try:
            pynvml.nvmlInit()
            self._device = self._first_visible()
        except pynvml.NVMLError:
            self._device = None

    def _first_visible(self) -> object:
        name = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
        if name.startswith(("GPU-", "MIG-")):
            return self._nvml.nvmlDeviceGetHandleByUUID(name)
        return self._nvml.nvmlDeviceGetHandleByIndex(int(name) if name.isdecimal() else 0)

    def usage(self) -> GpuUsage | None:
        """Return the GPU's state, or None where it cannot be read."""
        if self._device is None:
            return None
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(self._device)
        except self._nvml.NVMLError:
            return None
        try:
            busy = self._nvml.nvmlDeviceGetUtilizationRates(self._device).gpu / 100
        except self._nvml.NVMLError:  # a MIG slice has no such number
            busy = None
        return GpuUsage(memory_bytes=int(memory.used), total_bytes=int(memory.total), busy_frac=busy)


class Resources:
    """Looks at a tree of processes until it is closed."""

    def __init__(
        self, *, period_s: float = PERIOD_S, gpu: Gpu | None = None, root: psutil.Process | None = None
    ) -> None:
        """Look at a process and its descendants.

        Args:
            period_s: Seconds between looks.
            gpu: Where GPU numbers come from; None is the first NVIDIA GPU, where there is one.
            root: The process; None is this one.
        """
        self._period_s = period_s
        self._gpu = gpu if gpu is not None else NvidiaGpu()
        self._root = root if root is not None else psutil.Process()
        self._total_bytes = int(psutil.virtual_memory().total)
        self._lock = threading.Lock()
        self._busy_s: dict[tuple[int, float], float] = {}
        self._looked: float | None = None
        self._peak_bytes = 0
        self._cores = 0.0
        self._latest = self._look()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="resources", daemon=True)

    def __enter__(self) -> Resources:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    @property
    def latest(self) -> Usage:
        """The last look, at most one period old."""
        with self._lock:
            return self._latest

    @property
    def peak(self) -> int:
        """The largest memory of the tree since the last `take_peak`, bytes."""
        with self._lock:
            return self._peak_bytes

    def take_peak(self) -> int:
        """Return the largest memory of the tree since the last call, bytes, and begin anew."""
        self._sample()
        with self._lock:
            peak, self._peak_bytes = self._peak_bytes, self._latest.memory_bytes
        return peak

    def _watch(self) -> None:
        while not self._closed.wait(self._period_s):
            self._sample()

    def _sample(self) -> None:
        with self._lock:
            self._latest = self._look()

    def _look(self) -> Usage:
        now = time.monotonic()
        private, shared, processes = 0, 0, 0
        busy_s: dict[tuple[int, float], float] = {}
        for process in [self._root, *self._children()]:
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info()
                    busy_s[process.pid, process.create_time()] = times.user + times.system
            except psutil.Error:  # it ended meanwhile
                continue
            private += memory.rss - memory.shared
            shared = max(shared, memory.shared)
            processes += 1
        self._count_cores(now, busy_s)
        usage = Usage(
            cpu_cores=self._cores,
            cores=len(os.sched_getaffinity(0)),
            memory_bytes=private + shared,
            total_bytes=self._total_bytes,
            processes=processes,
            gpu=self._gpu.usage(),
        )
        self._peak_bytes = max(self._peak_bytes, usage.memory_bytes)
        return usage

    def _children(self) -> list[psutil.Process]:
        try:
            return self._root.children(recursive=True)
        except psutil.Error:  # it ended meanwhile
            return []

    def _count_cores(self, now: float, busy_s: dict[tuple[int, float], float]) -> None:
        if self._looked is not None:
            if now - self._looked < _SHORTEST_S:
                return
            spent = sum(seconds - self._busy_s.get(key, 0.0) for key, seconds in busy_s.items())
            self._cores = spent / (now - self._looked)
        self._looked, self._busy_s = now, busy_s
