"""The line chart of every lesson as a Vega-Lite mapping: built once with Altair, drawn with any numbers.

    spec = line_spec(Lines(Axis("epoch", "epoch", whole=True), Axis("loss", "loss (nats)", log=True), "Loss",
                           series=Look("part", ("training", "test"))))

Lines are told apart by colour, mark and dash; where a second column is given, the dash is its own. The data sets are
`lines`, `cursor` (`at`: an upright line) and `levels` (`level`, `label`: level lines). Rows of `lines` whose `_marked`
is true carry their line's mark; of those whose `_near` is true, the one nearest to the pointer shows its `tooltip`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ui.chart_specs import DASHES, SERIES_COLOURS, SHAPES, finish, legend_columns

MARKED, NEAR = "_marked", "_near"
"""The columns that say which points carry a mark, and which of them answer to the pointer."""
_GREY = "#888888"
# A logarithmic axis is labelled at 1, 2 and 5 of each power of ten, where there is room.
_MANTISSA = "round(10 * datum.value / pow(10, floor(log(datum.value) / LN10 + 1e-9)))"
_LOG_LABELS = f"indexof([10, 20, 50], {_MANTISSA}) >= 0 ? datum.label : ''"


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: the column it shows and how.

    Attributes:
        label_format: d3 format of the axis' labels; Vega-Lite's own where empty.
        zero: whether it begins at 0.
        nice: whether it ends on a round number.
        whole: whether only whole numbers are labelled.
    """

    field: str
    title: str
    log: bool = False
    label_format: str = ""
    zero: bool = False
    nice: bool = True
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """A column whose names tell lines apart.

    Attributes:
        names: in the order of their looks: a name that keeps its place keeps its colour.
        shown: those in the legend; all where empty.
    """

    field: str
    names: tuple[str, ...]
    shown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tip:
    """One line of what stands beside the pointer; a number with a format, a name without."""

    field: str
    title: str
    format: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """All that shapes a line chart but its numbers.

    Attributes:
        series: by colour and mark, and by dash unless `dashed` is given.
        dashed: a second column, told by dash alone.
        band: columns with the lower and the upper edge of a band around each line.
        faint: column that tells lines of one series apart, each drawn thin.
    """

    x: Axis
    y: Axis
    title: str
    height: int = 340
    series: Look | None = None
    dashed: Look | None = None
    tooltip: tuple[Tip, ...] = ()
    band: tuple[str, str] | None = None
    faint: str | None = None


@lru_cache(maxsize=256)
def line_spec(lines: Lines) -> dict[str, Any]:
    """The drawing; `ui.charts.draw_spec` sends it with its data sets."""
    import altair as alt

    base = alt.Chart(alt.NamedData("lines"))
    layers = [*_bands(base, lines), _strokes(base, lines), _marks(base, lines), _nearest(base, lines)]
    spec = finish(alt.layer(*layers, *_rules()), lines.title, lines.height)
    # A canvas takes thousands of points in a fraction of an SVG's time. No point is described for itself: a screen
    # reader gets the chart's alt text and its table.
    return {**spec, "usermeta": {"embedOptions": {"renderer": "canvas"}}}


def _places(lines: Lines) -> dict[str, Any]:
    """Both axes."""
    import altair as alt

    def axis(given: Axis) -> dict[str, Any]:
        options: dict[str, Any] = {"format": given.label_format} if given.label_format else {}
        if given.whole:
            # By itself Vega-Lite writes a lone first epoch as 1.000000.
            options = {"format": "d", **options, "tickMinStep": 1}
        if given.log and not given.label_format.endswith("e"):
            options |= {"labelExpr": _LOG_LABELS, "labelOverlap": "greedy"}
        return options

    def scale(given: Axis) -> Any:
        return alt.Scale(type="log") if given.log else alt.Scale(type="linear", zero=given.zero, nice=given.nice)

    return {
        name: kind(field=given.field, type="quantitative", title=given.title, scale=scale(given)).axis(**axis(given))
        for name, kind, given in (("x", alt.X, lines.x), ("y", alt.Y, lines.y))
    }


def _legend(look: Look, **options: Any) -> Any:
    import altair as alt

    shown = {"values": list(look.shown)} if look.shown else {}
    columns = legend_columns(look.names)
    return alt.Legend(title=None, orient="bottom", labelLimit=320, columns=columns, **shown, **options)


def _tint(lines: Lines) -> dict[str, Any]:
    """The colour of a line, and what keeps lines of one colour apart."""
    import altair as alt

    found: dict[str, Any] = {"detail": alt.Detail(field=lines.faint, type="nominal")} if lines.faint else {}
    if lines.series:
        found["color"] = alt.Color(
            field=lines.series.field,
            type="nominal",
            scale=alt.Scale(domain=list(lines.series.names)),
            legend=_legend(lines.series, symbolStrokeWidth=0, symbolSize=70),
        )
    return found


def _dash(lines: Lines) -> dict[str, Any]:
    """The dash of a line: its second column's, or its series'."""
    import altair as alt

    look = lines.dashed or lines.series
    if look is None:
        return {}
    legend = _legend(look, symbolSize=300, symbolStrokeWidth=2) if lines.dashed and len(look.names) > 1 else None
    dashes = [DASHES[index % len(DASHES)] for index in range(len(look.names))]
    scale = alt.Scale(domain=list(look.names), range=dashes)
    return {"strokeDash": alt.StrokeDash(field=look.field, type="nominal", scale=scale, legend=legend)}


def _shape(lines: Lines) -> dict[str, Any]:
    """The mark that some points of a line carry."""
    import altair as alt

    look = lines.series
    if look is None:
        return {}
    # When the colours begin again the marks are one further, so that no two of 70 lines look alike.
    marks = [SHAPES[(index + index // SERIES_COLOURS) % len(SHAPES)] for index in range(len(look.names))]
    scale = alt.Scale(domain=list(look.names), range=marks)
    legend = _legend(look, symbolStrokeWidth=0, symbolSize=70)
    return {"shape": alt.Shape(field=look.field, type="nominal", scale=scale, legend=legend)}


def _bands(base: Any, lines: Lines) -> list[Any]:
    import altair as alt

    if lines.band is None:
        return []
    low, high = lines.band
    places = {**_places(lines), "y": alt.Y(field=low, type="quantitative"), "y2": alt.Y2(field=high)}
    return [base.mark_area(opacity=0.15, aria=False).encode(**places, **_tint(lines))]


def _strokes(base: Any, lines: Lines) -> Any:
    stroke = base.mark_line(
        strokeWidth=1 if lines.faint else 2, opacity=0.6 if lines.faint else 1, interpolate="linear", aria=False
    )
    return stroke.encode(**_places(lines), **_tint(lines), **_dash(lines))


def _marks(base: Any, lines: Lines) -> Any:
    marks = base.transform_filter(f"datum.{MARKED}").mark_point(size=45, filled=True, opacity=1, aria=False)
    return marks.encode(**_places(lines), **_tint(lines), **_shape(lines))


def _nearest(base: Any, lines: Lines) -> Any:
    """Invisible points on the lines; the one nearest to the pointer shows, with its figures.

    They cost most of a chart's time, so long lines have fewer of them than they have points.
    """
    import altair as alt

    looks = [look.field for look in (lines.series, lines.dashed) if look]
    near = alt.selection_point(
        name="near",
        nearest=True,
        on="pointermove",
        clear="pointerout",
        fields=[lines.x.field, *looks, *([lines.faint] if lines.faint else [])],
        empty=False,
    )
    tooltip = [
        alt.Tooltip(field=tip.field, type="quantitative", title=tip.title, format=tip.format)
        if tip.format
        else alt.Tooltip(field=tip.field, type="nominal", title=tip.title)
        for tip in lines.tooltip
    ]
    answering = base.transform_filter(f"datum.{NEAR}")
    points = answering.mark_point(size=110, filled=False, strokeWidth=2, aria=False).encode(
        opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=tooltip, **_places(lines), **_tint(lines)
    )
    return points.add_params(near)


def _rules() -> list[Any]:
    """The cursor and the level lines with their labels."""
    import altair as alt

    levels = alt.Chart(alt.NamedData("levels"))
    height = alt.Y(field="level", type="quantitative")
    label = alt.Text(field="label", type="nominal")
    return [
        alt.Chart(alt.NamedData("cursor"))
        .mark_rule(strokeWidth=1.5, strokeDash=[4, 3], color=_GREY, aria=False)
        .encode(x=alt.X(field="at", type="quantitative")),
        levels.mark_rule(strokeWidth=1, strokeDash=[2, 3], color=_GREY, aria=False).encode(y=height),
        levels.mark_text(align="right", baseline="bottom", dx=-4, dy=-3, color=_GREY, fontSize=12, aria=False).encode(
            x=alt.value("width"), y=height, text=label
        ),
    ]
