"""The drawings of `ui.charts`: each built once with Altair for what it shows, then kept as a Vega-Lite mapping.

A drawing holds no numbers; it names the data sets (`bars`, `bins`, `cells`) that `ui.charts` sends with it. Colours
come from the theme, so that both themes share a drawing wherever they can. Lines are drawn by `ui.line_spec`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

DASHES = ([1, 0], [6, 3], [2, 2], [10, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3])
# How many colours the theme has for series (chartCategoricalColors in .streamlit/config.toml).
SERIES_COLOURS = 10
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")


@lru_cache(maxsize=128)
def bar_spec(
    x: str,
    y: str,
    series: str | None,
    names: tuple[str, ...],
    categories: tuple[str, ...],
    title: str,
    x_title: str,
    y_title: str,
    stacked: bool,
    horizontal: bool,
    y_format: str,
    height: int,
) -> dict[str, Any]:
    import altair as alt

    tooltip = [alt.Tooltip(field=x, type="nominal", title=x_title)]
    options: dict[str, Any] = {}
    if series:
        tooltip.append(alt.Tooltip(field=series, type="nominal", title=series))
        options["color"] = alt.Color(
            field=series,
            type="nominal",
            scale=alt.Scale(domain=list(names)),
            legend=alt.Legend(title=None, orient="bottom", columns=legend_columns(names), labelLimit=320),
        )
        options["order"] = alt.Order(field="_order", type="quantitative")
        if not stacked:
            options["yOffset" if horizontal else "xOffset"] = (alt.YOffset if horizontal else alt.XOffset)(
                field=series, type="nominal", scale=alt.Scale(domain=list(names))
            )
    tooltip.append(alt.Tooltip(field=y, type="quantitative", title=y_title, format=y_format))
    # Names beside bars are all there, in full; below them they stand upright.
    axis: dict[str, Any] = {"labelLimit": 220, "labelOverlap": False} if horizontal else {"labelAngle": 0}
    along = {"field": x, "type": "nominal", "title": x_title, "sort": list(categories)}
    size = {"field": y, "type": "quantitative", "title": y_title, "stack": "zero" if stacked else None}
    percent = {"format": "~%"} if "%" in y_format else {}
    if horizontal:
        places: dict[str, Any] = {"y": alt.Y(**along).axis(**axis), "x": alt.X(**size).axis(**percent)}
    else:
        places = {"x": alt.X(**along).axis(**axis), "y": alt.Y(**size).axis(**percent)}
    chart = alt.Chart(alt.NamedData("bars")).mark_bar()
    if series:
        ranks = " : ".join(f"datum[{series!r}] == {name!r} ? {rank}" for rank, name in enumerate(names))
        chart = chart.transform_calculate(_order=f"{ranks} : {len(names)}")
    return finish(chart.encode(tooltip=tooltip, **places, **options), title, height)


@lru_cache(maxsize=64)
def histogram_spec(title: str, x_title: str, y_title: str, height: int) -> dict[str, Any]:
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("bins"))
        .mark_bar(binSpacing=0.5)
        .encode(
            x=alt.X(field="from", type="quantitative", title=x_title, bin="binned"),
            x2=alt.X2(field="to"),
            y=alt.Y(field="count", type="quantitative", title=y_title),
            tooltip=[
                alt.Tooltip(field="from", type="quantitative", format=".4~g"),
                alt.Tooltip(field="to", type="quantitative", format=".4~g"),
                alt.Tooltip(field="count", type="quantitative", title=y_title, format=","),
            ],
        )
    )
    return finish(chart, title, height)


@lru_cache(maxsize=32)
def confusion_spec(title: str, unit: str, selectable: bool, height: int, ink: str) -> dict[str, Any]:
    import altair as alt

    base = alt.Chart(alt.NamedData("cells"))
    places = {
        "x": alt.X(field="predicted", type="ordinal", title="the network said").axis(labelAngle=0, orient="bottom"),
        "y": alt.Y(field="true", type="ordinal", title="the digit was"),
    }
    tooltip = [
        alt.Tooltip(field="true", type="ordinal", title="the digit was"),
        alt.Tooltip(field="predicted", type="ordinal", title="the network said"),
        alt.Tooltip(field="count", type="quantitative", title="images", format=","),
        alt.Tooltip(field="share", type="quantitative", title="of the row", format=".2%"),
    ]
    cell = alt.selection_point(name="cell", fields=["true", "predicted"], empty=False)

    def squares(kind: str, fill: str, deepest: float) -> Any:
        chart = base.transform_filter(f"datum.kind == '{kind}'").mark_rect(color=fill, cursor="pointer")
        # Opacity, not lightness: the same drawing then works on paper and on a dark ground.
        deep = alt.FillOpacity(
            field="share",
            type="quantitative",
            legend=None,
            scale=alt.Scale(domain=[0, deepest], range=[0.04, 0.85], clamp=True),
        )
        options: dict[str, Any] = {}
        if selectable:
            options["strokeWidth"] = alt.condition(cell, alt.value(3), alt.value(0))
            options["stroke"] = alt.value("#888888")
        return chart.encode(fillOpacity=deep, tooltip=tooltip, **places, **options)

    right, wrong = squares("right", "#3a8fc4", 1.0), squares("mistake", "#e0772e", 0.06)
    if selectable:
        right = right.add_params(cell)
    frames = base.transform_filter("datum.framed").mark_rect(
        aria=False, fillOpacity=0, stroke="#888888", strokeWidth=2, strokeDash=[4, 2]
    )
    words = base.mark_text(fontSize=12, color=ink).encode(
        text=alt.Text(field="label", type="nominal"),
        opacity=alt.condition("datum.count > 0", alt.value(1), alt.value(0.3)),
        tooltip=tooltip,
        **places,
    )
    chart = alt.layer(right, wrong, frames.encode(**places), words).resolve_scale(fillOpacity="independent")
    return finish(chart, f"{title} ({unit})", height)


def legend_columns(names: Sequence[str]) -> int:
    """Long names go below each other, so that a telephone's screen holds them."""
    return 3 if max(map(len, names), default=0) <= 14 else 1


def finish(chart: Any, title: str, height: Any) -> dict[str, Any]:
    """A chart as a mapping, with its title and as wide as its column; `height` in pixels, or an `altair.Step`."""
    import altair as alt

    titled = chart.properties(
        title=alt.Title(title, anchor="start", fontSize=15, offset=10), height=height, width="container"
    )
    built: dict[str, Any] = titled.to_dict(validate=True)
    built.pop("datasets", None)
    return built
