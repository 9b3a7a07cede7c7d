"""What the last words of a worker say about its end."""

from __future__ import annotations

import signal
from pathlib import Path

from selfplay.errors import StageFailed

MEMORY_SIGNS = (
    "CUDA out of memory",
    "MemoryError",
    "OutOfMemoryError",
    "can't allocate memory",
    "Cannot allocate memory",
)
CACHE_SIGNS = {
    "No available memory for the cache blocks": "the weights leave no room for the engine's cache: raise "
    "generate.gpu_memory_frac if the card is this run's alone, set generate.quantization, or take a smaller --model",
    "KV cache is needed": "the engine's cache cannot hold one reply of the greatest length: lower model.max_len, or "
    "raise generate.kv_cache_gib (on a CPU) or generate.gpu_memory_frac (on a GPU)",
    "is less than desired GPU memory utilization": "the card is not empty: end other programs on the card, or lower "
    "generate.gpu_memory_frac",
    "is less than requested memory for kv": "the host has no room for the engine's cache: lower generate.kv_cache_gib, "
    "or end other programs",
}
"""What vLLM says of its key-value cache -> what helps; the settings belong to a run's identity."""
DISK_SIGNS = ("No space left on device", "Disk quota exceeded", "Read-only file system", "Input/output error")
TAIL_LINES = 25


class WorkerDied(StageFailed):
    """A model process ended, or had to be ended, before its answer.

    Attributes:
        status: Exit status; negative is the signal that ended it; None if it was ended for silence or garbage.
        log_tail: Last lines of what the process wrote.
        out_of_memory: The host or the device ran out of memory, as far as can be told.
    """

    def __init__(self, module: str, how: str, log: Path, log_tail: str, *, status: int | None = None) -> None:
        self.status = status
        self.log_tail = "\n".join(log_tail.splitlines()[-TAIL_LINES:])
        advice = [help_ for sign, help_ in CACHE_SIGNS.items() if sign in log_tail][:1]
        signs = bool(advice) or any(sign in log_tail for sign in MEMORY_SIGNS)
        self.out_of_memory = status == -signal.SIGKILL or signs
        memory = " (out of memory)" if self.out_of_memory else ""
        told = [f"worker {module} {how}{memory}", *advice, f"its log {log} ends: {last_line(log_tail)}"]
        super().__init__("; ".join(told))


def last_line(text: str) -> str:
    """Return the last line that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "(nothing)"
