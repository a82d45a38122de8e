"""The drawings of `ui.charts`: each built once with Altair for what it shows, then kept as a Vega-Lite mapping.

A drawing holds no numbers; it names the data sets (`lines`, `cursor`, `levels`, `bars`, `bins`, `cells`) that
`ui.charts` sends with it. Colours come from the theme, so that both themes share a drawing wherever they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

DASHES = ([1, 0], [6, 3], [2, 2], [10, 3, 2, 3], [12, 4], [4, 2, 1, 2], [1, 3])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")


@lru_cache(maxsize=256)
def line_spec(
    x: str,
    y: str,
    series: str | None,
    names: tuple[str, ...],
    title: str,
    x_title: str,
    y_title: str,
    log_x: bool,
    log_y: bool,
    zero: bool,
    x_format: str,
    y_format: str,
    band: tuple[str, str] | None,
    faint: str | None,
    height: int,
) -> dict[str, Any]:
    import altair as alt

    per_cent = "%" in y_format
    across = alt.X(
        field=x,
        type="quantitative",
        title=x_title,
        scale=alt.Scale(type="log") if log_x else alt.Scale(type="linear", zero=False, nice=False),
    ).axis(tickMinStep=1 if x == "epoch" else alt.Undefined, format="~e" if log_x else alt.Undefined)
    up = alt.Y(
        field=y,
        type="quantitative",
        title=y_title,
        scale=alt.Scale(type="log") if log_y else alt.Scale(type="linear", zero=zero),
    ).axis(format="~%" if per_cent else ("~g" if log_y else alt.Undefined))
    tooltip = [alt.Tooltip(field=x, type="quantitative", title=x_title, format=x_format)]
    if series:
        tooltip.append(alt.Tooltip(field=series, type="nominal", title=series))
    tooltip.append(alt.Tooltip(field=y, type="quantitative", title=y_title, format=y_format))

    look: dict[str, Any] = {}
    shape: dict[str, Any] = {}
    if series:
        # Long names go below each other, so that a telephone's screen holds them.
        across_legend = 3 if max(map(len, names), default=0) <= 14 else 1
        legend = alt.Legend(
            title=None, orient="bottom", symbolStrokeWidth=0, symbolSize=70, labelLimit=320, columns=across_legend
        )
        domain = list(names)
        look["color"] = alt.Color(field=series, type="nominal", scale=alt.Scale(domain=domain), legend=legend)
        look["strokeDash"] = alt.StrokeDash(
            field=series,
            type="nominal",
            legend=None,
            scale=alt.Scale(domain=domain, range=_repeat(DASHES, len(domain))),
        )
        shape["shape"] = alt.Shape(
            field=series,
            type="nominal",
            legend=legend,
            scale=alt.Scale(domain=domain, range=_repeat(SHAPES, len(domain))),
        )
    tint = {"color": look["color"]} if series else {}
    detail = {"detail": alt.Detail(field=faint, type="nominal")} if faint else {}

    base = alt.Chart(alt.NamedData("lines"))
    layers = []
    if band:
        layers.append(
            base.mark_area(opacity=0.15).encode(
                x=across, y=alt.Y(field=band[0], type="quantitative"), y2=alt.Y2(field=band[1]), **tint, **detail
            )
        )
    layers.append(
        base.mark_line(strokeWidth=1 if faint else 2, opacity=0.6 if faint else 1, interpolate="linear").encode(
            x=across, y=up, **look, **detail
        )
    )
    marks = base.transform_filter("datum._marker").mark_point(size=45, filled=True, opacity=1)
    layers.append(marks.encode(x=across, y=up, **tint, **shape, **detail))
    near = alt.selection_point(
        name="near",
        nearest=True,
        on="pointermove",
        clear="pointerout",
        fields=[x, *([series] if series else [])],
        empty=False,
    )
    hovered = base.mark_point(size=110, filled=False, strokeWidth=2).encode(
        x=across, y=up, opacity=alt.condition(near, alt.value(1), alt.value(0)), tooltip=tooltip, **tint, **detail
    )
    layers.append(hovered.add_params(near))
    layers.append(
        alt.Chart(alt.NamedData("cursor"))
        .mark_rule(strokeWidth=1.5, strokeDash=[4, 3], color="#888888", aria=False)
        .encode(x=alt.X(field="at", type="quantitative"))
    )
    levels = alt.Chart(alt.NamedData("levels"))
    layers.append(
        levels.mark_rule(strokeWidth=1, strokeDash=[2, 3], color="#888888", aria=False).encode(
            y=alt.Y(field="level", type="quantitative")
        )
    )
    layers.append(
        levels.mark_text(
            align="right", baseline="bottom", dx=-4, dy=-3, color="#888888", fontSize=12, aria=False
        ).encode(
            x=alt.value("width"),
            y=alt.Y(field="level", type="quantitative"),
            text=alt.Text(field="label", type="nominal"),
        )
    )
    return finish(alt.layer(*layers), title, height)


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
            legend=alt.Legend(title=None, orient="bottom", columns=3, labelLimit=320),
        )
        options["order"] = alt.Order(field="_order", type="quantitative")
        if not stacked:
            options["yOffset" if horizontal else "xOffset"] = (alt.YOffset if horizontal else alt.XOffset)(
                field=series, type="nominal", scale=alt.Scale(domain=list(names))
            )
    tooltip.append(alt.Tooltip(field=y, type="quantitative", title=y_title, format=y_format))
    axis = {"labelAngle": 0} if not horizontal else {}
    along = {"field": x, "type": "nominal", "title": x_title, "sort": list(categories)}
    size = {"field": y, "type": "quantitative", "title": y_title, "stack": "zero" if stacked else None}
    percent = {"format": "~%"} if "%" in y_format else {}
    if horizontal:
        places: dict[str, Any] = {"y": alt.Y(**along).axis(**axis), "x": alt.X(**size).axis(**percent)}
    else:
        places = {"x": alt.X(**along).axis(**axis), "y": alt.Y(**size).axis(**percent)}
    chart = alt.Chart(alt.NamedData("bars")).mark_bar(stroke="#ffffff", strokeWidth=0.5)
    if series:
        ranks = " : ".join(f"datum[{series!r}] == {name!r} ? {rank}" for rank, name in enumerate(names))
        chart = chart.transform_calculate(_order=f"{ranks} : {len(names)}")
    return finish(chart.encode(tooltip=tooltip, **places, **options), title, height)


@lru_cache(maxsize=64)
def histogram_spec(title: str, x_title: str, y_title: str, height: int) -> dict[str, Any]:
    import altair as alt

    chart = (
        alt.Chart(alt.NamedData("bins"))
        .mark_bar(binSpacing=0, stroke="#ffffff", strokeWidth=0.3)
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


def finish(chart: Any, title: str, height: int) -> dict[str, Any]:
    import altair as alt

    titled = chart.properties(
        title=alt.Title(title, anchor="start", fontSize=15, offset=10), height=height, width="container"
    )
    built: dict[str, Any] = titled.to_dict(validate=True)
    built.pop("datasets", None)
    return built


def _repeat(values: Sequence[Any], count: int) -> list[Any]:
    return [values[index % len(values)] for index in range(max(count, 1))]
