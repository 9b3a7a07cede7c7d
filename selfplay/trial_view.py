"""How the answers of `run_loop.py try` are shown: side by side where there is room, else one below the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from selfplay.replies import blocks
from selfplay.rounds_table import clean, duration, one_line, printable
from selfplay.trial import Reply, Trial

WIDE = 110
"""Columns from which on two answers stand beside each other."""


def render_trial(trial: Trial) -> RenderableType:
    """Return the picture of a trial: with colours and columns on a terminal, the answers as they came elsewhere."""
    return _Picture(trial)


@dataclass(frozen=True, slots=True)
class _Picture:
    trial: Trial

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield what was asked, and the answers."""
        parts = Group(*_parts(self.trial, on_screen=console.is_terminal, width=options.max_width))
        yield from printable(parts, console, options)


def _parts(trial: Trial, *, on_screen: bool, width: int) -> Iterator[RenderableType]:
    how = "greedy" if trial.temperature == 0 else f"temperature {trial.temperature:g}, seed {trial.seed}"
    yield Text.assemble((clean(trial.run), "bold"), f"  {clean(trial.model)}  {how}, at most {trial.max_tokens} tokens")
    yield one_line(f"asked: {trial.title}", "dim")
    if len(trial.replies) == 1:
        yield Text("The champion is the base model: there is one answer.", style="yellow")
    if trial.same:
        yield Text("Both answers are the same.", style="yellow")
    answers = [Group(*_answer(reply, trial, on_screen=on_screen)) for reply in trial.replies]
    if on_screen and width >= WIDE and len(answers) == 2 and not trial.same:
        table = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for _ in answers:
            table.add_column(ratio=1, overflow="fold")
        table.add_row(*answers)
        yield table
    elif trial.same:
        yield Group(*(line for reply in trial.replies for line in _heading(reply, trial)))
        yield Group(*_text(trial.replies[0].text, on_screen=on_screen))
    else:
        yield from answers


def _answer(reply: Reply, trial: Trial, *, on_screen: bool) -> Iterator[RenderableType]:
    yield from _heading(reply, trial)
    yield from _text(reply.text, on_screen=on_screen)


def _heading(reply: Reply, trial: Trial) -> Iterator[RenderableType]:
    yield Text()
    tokens = f"{reply.tokens} {'token' if reply.tokens == 1 else 'tokens'}"
    yield Text.assemble((clean(reply.who), "bold cyan"), f"  {tokens} in {duration(reply.seconds)}")
    if reply.cut and not reply.text:
        yield Text("the prompt leaves no room for an answer within the run's model.max_len", style="red")
    elif reply.cut:
        yield Text(f"cut short: no end within {reply.tokens} tokens; --max-tokens allows more", style="yellow")
    if reply.verdict is not None:
        style = {True: "green", False: "red", None: "yellow"}[reply.passed]
        yield Text(clean(reply.verdict), style=style)


def _text(text: str, *, on_screen: bool) -> Iterator[RenderableType]:
    """Yield an answer's text: as it came, but for what would move the cursor; on a screen its code is highlighted."""
    shown = "\n".join(clean(line.expandtabs(4)) for line in text.splitlines())
    if not on_screen:
        yield Text(shown)
        return
    for block in blocks(shown):
        if block.fenced:
            language = block.language or "python"
            yield Syntax(block.text, language, theme="ansi_dark", background_color="default", word_wrap=True)
        else:
            yield Text(block.text.strip("\n"))
