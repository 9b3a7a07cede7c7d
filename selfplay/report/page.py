"""Facts -> one HTML file.

The page is closed: no script, no frame, no form, nothing from the network, as its Content-Security-Policy says to the
browser too; of styles only the one sheet with the right hash is applied. Text of a model is escaped by Jinja or by
Pygments, and characters that would not show are written as escapes (source.py).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from selfplay.report import source
from selfplay.report.facts import Facts
from selfplay.report.figures import counted, figure, interval, number
from selfplay.report.plots import Plots, plots

_CLOSED = "base-uri 'none'; form-action 'none'"
TEMPLATES = Path(__file__).parent / "templates"


def render(facts: Facts, written_at: str, command: str = "python run_loop.py") -> str:
    """Return the whole page.

    Args:
        facts: What it says.
        written_at: When, UTC, ISO 8601.
        command: How the reader calls this program.
    """
    return page(facts, plots(facts), written_at, command)


def page(facts: Facts, drawn: Plots, written_at: str, command: str) -> str:
    """Return the page with plots that are drawn already."""
    sheet = style_sheet()
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            facts=facts,
            run=facts.run,
            plots=drawn,
            written_at=written_at,
            command=command,
            style=Markup(sheet),  # noqa: S704  (our own file)
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; {_CLOSED}",
        )
    )


@cache
def style_sheet() -> str:
    """Return the page's style sheet, that of highlighted code included."""
    own = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    return f"\n{own}\n{source.style_sheet('.code')}\n"


@cache
def _environment() -> Environment:
    environment = Environment(
        finalize=_readable,
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {"n": figure, "counted": counted, "interval": interval, "number": number}
    environment.filters |= {"python": source.python, "day": day}
    return environment


def _readable(value: object) -> object:
    """Return what an expression of a template writes: text without a character that would not show."""
    return source.visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def day(moment: str) -> str:
    """Return an ISO 8601 moment in UTC to the minute."""
    return f"{moment[:16].replace('T', ' ')} UTC"
