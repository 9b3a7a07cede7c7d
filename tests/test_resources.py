from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from selfplay.resources import GpuUsage, NvidiaGpu, Resources

MIB = 2**20
ROOT = Path(__file__).parent.parent
HOLD = "import sys; block = bytearray({size}); sys.stdout.write('x'); sys.stdout.flush(); sys.stdin.read()"
SPIN = "import sys; sys.stdout.write('x'); sys.stdout.flush()\nwhile True: pass"


class FixedGpu:
    def usage(self) -> GpuUsage | None:
        return GpuUsage(memory_bytes=3, total_bytes=4, busy_frac=None)


class NoGpu:
    def usage(self) -> GpuUsage | None:
        return None


def child(source: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen([sys.executable, "-c", source], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.read(1) == b"x"
    return process


def end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()


def wait_until(true: Callable[[], bool]) -> bool:
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > 20:
            return False
        time.sleep(0.02)
    return True


def test_the_memory_of_children_counts_and_their_libraries_count_once() -> None:
    with Resources(period_s=0.05, gpu=NoGpu()) as resources:
        before = resources.latest.memory_bytes
        children = [child(HOLD.format(size=100 * MIB)) for _ in range(2)]
        shown = wait_until(lambda: resources.latest.memory_bytes >= before + 200 * MIB)
        resources.take_peak()
        grown = resources.latest.memory_bytes - before
        for process in children:
            end(process)
    assert shown
    assert grown < 240 * MIB


LONE = """
import psutil
from selfplay.resources import Resources
from tests.test_resources import NoGpu
print(psutil.Process().memory_info().rss, Resources(gpu=NoGpu()).latest.memory_bytes)
"""


def test_a_lone_process_counts_as_what_is_resident() -> None:
    # In a process of its own: this one may have had children who left something behind.
    done = subprocess.run([sys.executable, "-c", LONE], cwd=ROOT, capture_output=True, text=True, check=True)
    resident, counted = map(int, done.stdout.split())
    assert counted == pytest.approx(resident, abs=4 * MIB)


def test_the_children_of_children_count() -> None:
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD.format(size=100 * MIB)!r}])"
    with Resources(period_s=0.05, gpu=NoGpu()) as resources:
        before = resources.latest.memory_bytes
        process = child(nested)
        shown = wait_until(lambda: resources.latest.memory_bytes > before + 100 * MIB)
        process.communicate(timeout=20)
    assert shown


def test_a_peak_is_kept_until_it_is_taken_and_then_begins_anew() -> None:
    with Resources(period_s=0.05, gpu=NoGpu()) as resources:
        before = resources.take_peak()
        big = child(HOLD.format(size=200 * MIB))
        assert wait_until(lambda: resources.latest.memory_bytes > before + 190 * MIB)
        end(big)
        assert wait_until(lambda: resources.latest.memory_bytes < before + 100 * MIB)
        assert resources.take_peak() > before + 190 * MIB
        assert resources.take_peak() < before + 100 * MIB


def test_a_busy_child_shows_as_a_busy_core() -> None:
    with Resources(period_s=0.3, gpu=NoGpu()) as resources:
        busy = child(SPIN)
        shown = wait_until(lambda: resources.latest.cpu_cores > 0.05)  # a loaded machine gives it little
        end(busy)
        assert shown
        assert wait_until(lambda: resources.latest.cpu_cores < 0.2)
        assert resources.latest.cores >= 1


def test_looks_that_follow_at_once_do_not_make_up_a_cpu_number() -> None:
    resources = Resources(gpu=NoGpu())
    begun = time.monotonic()
    resources._count_cores(begun + 10, {(1, 1.0): 5.0, (2, 1.0): 3.0})
    at_ten = resources._cores
    resources._count_cores(begun + 10.01, {(1, 1.0): 5.01, (2, 1.0): 3.01})
    assert resources._cores == at_ten
    resources._count_cores(begun + 12, {(1, 1.0): 6.0, (3, 9.0): 1.0})
    assert resources._cores == pytest.approx(1.0)


def test_the_gpu_is_part_of_every_look() -> None:
    assert Resources(gpu=FixedGpu()).latest.gpu == GpuUsage(memory_bytes=3, total_bytes=4, busy_frac=None)


def test_a_host_without_a_driver_has_no_gpu_numbers() -> None:
    usage = NvidiaGpu().usage()
    if usage is not None:
        assert 0 <= usage.memory_bytes <= usage.total_bytes
        pytest.skip("this host has an NVIDIA GPU")


def test_the_watching_thread_ends_with_the_block() -> None:
    with Resources(period_s=30, gpu=NoGpu()):
        assert "resources" in {thread.name for thread in threading.enumerate()}
    assert "resources" not in {thread.name for thread in threading.enumerate()}
