"""The report's plots: Altair specifications of plain rows, rendered to SVG without a browser or a network.

Each plot comes in two widths, one for a phone and one for everything wider, so that its letters stay readable. As an
image a plot can run nothing, and needs no ids that are unique in the page.

Altair and its renderer take a second to import: nothing but the report imports this module.
"""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import vl_convert

Chart = alt.Chart | alt.LayerChart | alt.FacetChart | alt.HConcatChart | alt.VConcatChart
Row = Mapping[str, str | int | float | None]

WIDE, NARROW = 900, 350
"""Width of a whole plot, CSS pixels."""
MOST_STEPS = 1500
"""Points of a training curve; more are thinned out evenly."""
BLUE, ORANGE, GREEN, GREY, RED = "#1f5fa8", "#b4540a", "#1b7a43", "#5f6773", "#b3261e"
_WHO = {
    "champion": (BLUE, "circle"),
    "candidate, promoted": (GREEN, "triangle-up"),
    "candidate, kept": (ORANGE, "triangle-down"),
}
_UNITS = (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0), ("seconds", 1.0))
_STAGES = {
    "problems": "#5f6773",
    "code": "#1f5fa8",
    "tests": "#4f93d8",
    "judge": "#1b7a43",
    "select": "#7cb893",
    "train": "#b4540a",
    "benchmark": "#7a4fa3",
    "gate": "#222222",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A picture in two widths, as data URIs."""

    wide: str
    narrow: str
    alt: str


def _plot(make: Callable[[int], Chart], text: str) -> Plot:
    return Plot(wide=_uri(make(WIDE)), narrow=_uri(make(NARROW)), alt=text)


def _uri(chart: Chart) -> str:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"
    styled = (
        chart.configure(background="transparent", font=font, padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="#3b424c", titleColor="#3b424c", gridColor="#e3e7ec", domainColor="#9aa3ae", tickColor="#9aa3ae",
            labelFontSize=12, titleFontSize=12, titleFontWeight="normal",
        )
        .configure_legend(labelFontSize=12, titleFontSize=12, labelColor="#3b424c", orient="top", title=None)
        .configure_title(fontSize=13, anchor="start", color="#1d2530", fontWeight="bold")
    )  # fmt: skip
    svg = vl_convert.vegalite_to_svg(styled.to_dict(), allowed_base_urls=[])
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def _data(rows: Sequence[Row]) -> alt.Data:
    return alt.Data(values=[dict(row) for row in rows])


def _width(total: int, *, room: int = 62) -> int:
    """Return the plotting area's width, with `room` for the axis."""
    return total - room


def champion_curve(points: Sequence[Row], name: str) -> Plot:
    """Return pass@1 of the champion after each round, with candidates beside it.

    Args:
        points: Rows with "after" (0 is before the first round), "who" ("champion" | "candidate, promoted" |
            "candidate, kept"), and "rate", "low", "high" in percent.
        name: The benchmark.
    """
    # A candidate stands a little to the right, so that one that was promoted does not hide behind the champion.
    points = [{**row, "at": _number(row["after"]) + (0.0 if row["who"] == "champion" else 0.14)} for row in points]
    champions = [row for row in points if row["who"] == "champion"]
    highest, lowest = (f(_number(row[key]) for row in points) for f, key in ((max, "high"), (min, "low")))
    last = max(int(_number(row["after"])) for row in points)

    def make(width: int) -> Chart:
        scale = alt.Scale(domain=[max(0, 5 * math.floor(lowest / 5)), min(100, 5 * math.ceil(highest / 5))], nice=False)
        ticks = list(range(0, last + 1, max(1, math.ceil((last + 1) / (6 if width == NARROW else 14)))))
        x = alt.X("at:Q", title="after round", axis=alt.Axis(values=ticks, format="d", grid=False))
        x = x.scale(domain=[-0.3, last + 0.4], nice=False)
        y = alt.Y("rate:Q", title="pass@1, %", scale=scale)
        kinds = [kind for kind in _WHO if any(row["who"] == kind for row in points)]
        colour = alt.Color("who:N", scale=alt.Scale(domain=kinds, range=[_WHO[kind][0] for kind in kinds]))
        shape = alt.Shape("who:N", scale=alt.Scale(domain=kinds, range=[_WHO[kind][1] for kind in kinds]))
        columns = alt.Legend(columns=2 if width == NARROW else 3, title=None)
        colour, shape = colour.legend(columns), shape.legend(columns)
        band = alt.Chart(_data(champions)).mark_area(opacity=0.15, color=BLUE, interpolate="linear")
        line = alt.Chart(_data(champions)).mark_line(color=BLUE, strokeWidth=2)
        dots = alt.Chart(_data(points)).mark_point(filled=True, size=70, opacity=1)
        bars = alt.Chart(_data([row for row in points if row["who"] != "champion"])).mark_rule(strokeWidth=1.3)
        return alt.layer(
            band.encode(x=x, y=alt.Y("low:Q", title="pass@1, %", scale=scale), y2="high:Q"),
            line.encode(x=x, y=y),
            bars.encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q", color=colour),
            dots.encode(x=x, y=y, color=colour, shape=shape),
        ).properties(width=_width(width), height=240)

    first, final = champions[0], champions[-1]
    text = (
        f"Line chart of pass@1 on {name}: the champion stands at {_number(first['rate']):.1f}% before the first round "
        f"and at {_number(final['rate']):.1f}% at the end. The table below has every figure."
    )
    return _plot(make, text)


def stage_times(rows: Sequence[Row]) -> Plot:
    """Return where each round's time went: rows with "round", "stage", "seconds"."""
    totals: dict[str, float] = {}
    for row in rows:
        totals[str(row["round"])] = totals.get(str(row["round"]), 0.0) + _number(row["seconds"])
    unit, size = next((each for each in _UNITS if max(totals.values()) >= 2 * each[1]), _UNITS[-1])
    timed: list[Row] = [{**row, "time": _number(row["seconds"]) / size} for row in rows]

    def make(width: int) -> Chart:
        names = list(_STAGES)
        colour = alt.Color(
            "stage:N",
            scale=alt.Scale(domain=names, range=list(_STAGES.values())),
            legend=alt.Legend(columns=3 if width == NARROW else 8, title=None),
        )
        drawn: Chart = (
            alt.Chart(_data([{**row, "order": names.index(str(row["stage"]))} for row in timed]))
            .mark_bar()
            .encode(
                x=alt.X("sum(time):Q", title=unit),
                y=alt.Y("round:O", title="round"),
                color=colour,
                order=alt.Order("order:Q"),
            )
            .properties(width=_width(width), height=max(40, min(480, 24 * len(totals))))
        )
        return drawn

    return _plot(make, f"Stacked bars: {unit} that each stage of each round took. The table below has every figure.")


def training(rows: Sequence[Row]) -> Plot:
    """Return the training curves of all rounds, one after the other.

    Args:
        rows: With "at" (steps of all rounds counted on), "round", and "loss", "reward_margin", "reward_accuracy",
            "chosen_logp", "rejected_logp", each of which may be None.
    """
    thinned = rows[:: max(1, math.ceil(len(rows) / MOST_STEPS))]
    starts = [{"at": row["at"]} for before, row in itertools.pairwise(rows) if before["round"] != row["round"]]
    panels: list[tuple[str, dict[str, str]]] = [
        ("loss", {"loss": BLUE}),
        ("reward margin", {"reward_margin": BLUE}),
        ("reward accuracy", {"reward_accuracy": BLUE}),
        ("log-probability, nats a token", {"chosen_logp": GREEN, "rejected_logp": RED}),
    ]
    panels = [(title, lines) for title, lines in panels if any(row[key] is not None for row in rows for key in lines)]

    def panel(title: str, lines: Mapping[str, str], width: int) -> Chart:
        layers: list[alt.Chart] = [
            alt.Chart(_data(starts)).mark_rule(color="#9aa3ae", strokeDash=[3, 3]).encode(x=alt.X("at:Q"))
        ] * bool(starts)
        several = len(lines) > 1
        span = _span([_number(row[key]) for row in rows for key in lines if row[key] is not None])
        names = [key.removesuffix("_logp") for key in lines]
        for key, shade in lines.items():
            values = [
                {"at": row["at"], "round": row["round"], "value": row[key], "what": key.removesuffix("_logp")}
                for row in thinned
                if row[key] is not None
            ]
            few = len(values) <= 40
            mark = alt.Chart(_data(values)).mark_line(
                color=shade,
                strokeWidth=1.6,
                point=alt.OverlayMarkDef(size=18, color=shade) if few and not several else few,
            )
            encoded = mark.encode(
                x=alt.X("at:Q", title="step", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
                y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=span, nice=True)),
                detail="round:N",
            )
            if several:
                colour = alt.Color("what:N", scale=alt.Scale(domain=names, range=list(lines.values())))
                encoded = encoded.encode(color=colour)
            layers.append(encoded)
        return alt.layer(*layers).properties(width=width, height=140, title=title)

    def make(width: int) -> Chart:
        columns = 1 if width == NARROW else min(2, len(panels))
        each = (width - 60 * columns) // columns
        drawn = [panel(title, lines, each) for title, lines in panels]
        pairs = [drawn[start : start + columns] for start in range(0, len(drawn), columns)]
        return alt.vconcat(*(alt.hconcat(*group, spacing=24) for group in pairs), spacing=16)

    names = ", ".join(title for title, _ in panels)
    return _plot(
        make, f"Line charts by training step, rounds one after the other: {names}. The table below has the ends."
    )


def task_grid(rows: Sequence[Row], name: str) -> Plot:
    """Return which weights pass which task: rows with "place", "weights", and "passed" (a share or None)."""
    weights = list(dict.fromkeys(str(row["weights"]) for row in rows))
    words = {None: "no result", 0.0: "fails", 1.0: "passes"}
    named: list[Row] = [{**row, "result": words.get(_share(row["passed"]), "some samples pass")} for row in rows]
    kinds = {"passes": BLUE, "some samples pass": "#9cc1e8", "fails": "#e3d9cf", "no result": "#ffffff"}
    present = [kind for kind in kinds if any(row["result"] == kind for row in named)]

    def make(width: int) -> Chart:
        colour = alt.Color("result:N", scale=alt.Scale(domain=present, range=[kinds[kind] for kind in present]))
        last = max(int(_number(row["place"])) for row in rows)
        drawn: Chart = (
            alt.Chart(_data(named))
            .mark_rect()
            .encode(
                x=alt.X("left:Q", title="tasks, those that most pass first", axis=None).scale(
                    domain=[0, last], nice=False
                ),
                x2="right:Q",
                y=alt.Y("weights:N", title=None, sort=weights, scale=alt.Scale(paddingInner=0.15)),
                color=colour,
            )
            .transform_calculate(left="datum.place - 1", right="datum.place")
            .properties(width=_width(width, room=92), height=22 * len(weights))
        )
        return drawn

    return _plot(
        make,
        f"Grid: which of the tasks of {name} the base model and each candidate pass. "
        "The lists below name those that changed.",
    )


def reliability(rows: Sequence[Row]) -> Plot:
    """Return how often each rule's pairs are good and inverted.

    Args:
        rows: With "rule", "what" ("true" | "inverted"), and "share", "low", "high" in percent.
    """
    rules = list(dict.fromkeys(str(row["rule"]) for row in rows))

    def make(width: int) -> Chart:
        colour = alt.Color("what:N", scale=alt.Scale(domain=["true", "inverted"], range=[GREEN, RED]))
        shape = alt.Shape("what:N", scale=alt.Scale(domain=["true", "inverted"], range=["circle", "diamond"]))
        y = alt.Y("rule:N", title=None, sort=rules)
        offset = alt.YOffset("what:N", sort=["true", "inverted"])
        base = alt.Chart(_data(rows))
        domain = alt.Scale(domain=[0, 100])
        return alt.layer(
            base.mark_rule(strokeWidth=1.6).encode(
                x=alt.X("low:Q", title="share of measured pairs, %", scale=domain),
                x2="high:Q",
                y=y,
                yOffset=offset,
                color=colour,
            ),
            base.mark_point(filled=True, size=60, opacity=1).encode(
                x=alt.X("share:Q", scale=domain), y=y, yOffset=offset, color=colour, shape=shape
            ),
        ).properties(width=_width(width, room=72), height=34 * len(rules))

    return _plot(
        make,
        "Dots with 95% intervals: share of true and of inverted pairs by selection rule. "
        "The table below has every figure.",
    )


def _span(values: Sequence[float]) -> list[float]:
    """Return the ends of an axis: those of the values, further apart where they are all alike."""
    low, high = min(values), max(values)
    room = 0.0 if high > low else max(0.05, 0.1 * abs(high))
    return [low - room, high + room]


def _share(value: str | float | None) -> float | None:
    return None if value is None else float(value)


def _number(value: str | float | None) -> float:
    """Return a number of a row that has one there."""
    return float(value or 0)
