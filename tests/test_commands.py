"""What a download looks like: a bar of bytes where they can be counted, a moving bar where not."""

from __future__ import annotations

import io

from rich.console import Console

from selfplay.commands import _bar


def shown(total: int | None, done: int) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    bar = _bar(console)
    bar.add_task("fetching", total=total, completed=done)
    with console.capture() as captured:
        console.print(bar)
    return captured.get()


def test_a_download_tells_how_many_bytes_of_how_many() -> None:
    assert "25.0/50.0 MB" in shown(50_000_000, 25_000_000)


def test_work_of_unknown_size_shows_no_bytes() -> None:
    picture = shown(None, 0)
    assert "fetching" in picture
    assert "bytes" not in picture
    assert "?" not in picture
