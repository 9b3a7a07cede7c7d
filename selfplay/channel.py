"""The worker's side of worker.py: read the job, send messages, die with the parent.

A module that can be a worker ends in:

    if __name__ == "__main__":
        serve(main)          # def main(job: Json, channel: Channel) -> None
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import select
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]
"""One message: whatever JSON can hold; the reader parses it into a type of its own."""


class Channel:
    """The worker's side of the two pipes; any thread may send."""

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._write_fd = write_fd
        self._lock = threading.Lock()
        self._inbox: queue.SimpleQueue[Json] = queue.SimpleQueue()
        # Reading all the time keeps the parent from blocking on a full pipe, and notices its end.
        threading.Thread(target=self._listen, args=(read_fd,), daemon=True, name="channel").start()

    def send(self, message: Json) -> None:
        """Write one message to the parent."""
        data = json.dumps(message, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            while data:
                data = data[os.write(self._write_fd, data) :]

    def receive(self, timeout_s: float | None = None) -> Json | None:
        """Return the parent's next message; None if none came within `timeout_s` (None waits for one)."""
        try:
            return self._inbox.get(timeout=timeout_s)
        except queue.Empty:
            return None

    def _listen(self, read_fd: int) -> None:
        with os.fdopen(read_fd, "rb") as stream:
            for line in stream:
                self._inbox.put(json.loads(line))
        os.killpg(0, signal.SIGKILL)


def serve(main: Callable[[Json, Channel], None]) -> None:
    """Run `main(job, channel)` in a process that a `Worker` started; it dies with its parent from here on."""
    flag, descriptors = sys.argv[1:3]
    if flag != "--channel":
        raise SystemExit("this module is started by selfplay.worker.Worker")
    read_fd, write_fd, life = map(int, descriptors.split(","))
    for descriptor in (read_fd, write_fd, life):
        os.set_inheritable(descriptor, False)
    _die_with_parent(life)
    channel = Channel(read_fd, write_fd)
    job = channel.receive()
    if job is not None:
        main(job, channel)


def _die_with_parent(life: int) -> None:
    """Have the kernel kill this process group when the other end of `life`, on which nobody writes, is closed.

    Unlike a parent-death signal, this follows the parent's process, not the thread in it that happened to start us, and
    it works while a library holds the interpreter lock.
    """
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([life], [], [], 0)[0]:
        os.killpg(0, signal.SIGKILL)
