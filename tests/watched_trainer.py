"""Worker: the product's trainer, which ends at once where anything in it so much as looks up an address."""

from __future__ import annotations

import os
import sys

from selfplay.channel import serve
from selfplay.trainer import main

REFUSED = frozenset({"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request"})


def refuse(event: str, arguments: tuple[object, ...]) -> None:
    if event in REFUSED:
        print(f"refused: {event} {arguments}", flush=True)  # noqa: T201
        os._exit(7)


if __name__ == "__main__":
    sys.addaudithook(refuse)
    serve(main)
