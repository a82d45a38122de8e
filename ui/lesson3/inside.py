"""Section 5: what hooks see in a network: histograms of each layer, dead units, dropout's mask for one image (L3.8)."""

from __future__ import annotations

import html
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import streamlit as st

from mlcore.data.mnist import available_sources
from mlcore.experiments.inside import before_and_after
from mlcore.runtime import LimitReached
from ui.charts import table_twin
from ui.code import show_code
from ui.fields import whole_field
from ui.images import image_grid, show_png
from ui.lesson3 import scripts
from ui.lesson3.chosen import Chosen, networks, pick, say_if_seen
from ui.lesson3.data import digits_of, split_of
from ui.lesson3.mask import show_mask
from ui.links import LinkState
from ui.runs import plain, runtime
from ui.terms import terms, word

IMAGES = 1000
MOMENTS = ("before training", "after training")
_SYMLOG_TICKS = [sign * 10**power for power in range(5) for sign in (-1, 1)] + [0]
PATIENCE = 60


def draw(state: LinkState) -> None:
    """The whole section."""
    st.header("Inside a network, by hooks", anchor=False)
    st.markdown(
        "PyTorch lets anybody listen in: a hook on a layer is called with what the layer puts out on the way "
        "forward, and with the "
        "gradient that arrives on the way back. Here hooks listen while images pass, and are "
        "taken off again."
    )
    there = networks()
    if not there:
        st.info("There is no network to look into yet. Train one in section 3.", icon=":material/hourglass_empty:")
        return
    chosen = pick("Network", state, "watched", there)
    source = chosen.config.source if chosen.config.source in available_sources() else "sample"
    validation = split_of(source, chosen.config.seed).validation
    number = _image(state, len(validation))
    others = np.delete(validation, number)[: IMAGES - 1]
    rows = np.concatenate([validation[number : number + 1], others])
    seen = _look(chosen, source, tuple(int(row) for row in rows), state["mask_seed"])
    if seen is None:
        return
    before, after = seen["before"], seen["after"]
    kind = "validation images" if source == chosen.config.source else "images of the sample"
    st.markdown(
        f"**{plain(chosen.short)}**, after {chosen.epoch} epochs. On {len(rows):,} {kind} its loss is "
        f"{after['loss']:.4f} and it "
        f"has {100 * after['accuracy']:.1f} % right; before the first update it was {before['loss']:.3f} and "
        f"{100 * before['accuracy']:.1f} %."
    )
    say_if_seen(source, chosen)
    _histograms(state, before, after)
    _table(before, after, len(rows))
    _dropped(state, chosen, source, int(rows[0]), after, before)
    terms("dead ReLU", "dropout", "backward pass", "vanishing gradient", "logits", key="inside")
    _code(chosen)


def _image(state: LinkState, count: int) -> int:
    """Which validation image the mask is shown for."""
    number: int = whole_field(
        f"Image for the mask, from 0 to {count - 1:,}", state=state, key="image", low=0, high=count - 1
    )
    return min(number, count - 1)


def _look(chosen: Chosen, source: str, rows: tuple[int, ...], mask_seed: int) -> dict[str, Any] | None:
    """What the hooks saw, asked of a worker once per network, image and mask; or None with a sentence on the page."""
    cache: dict[Any, Any] = st.session_state.setdefault("lesson3.inside", {})
    key = (chosen.id, chosen.epoch, source, rows[0], mask_seed)
    if key in cache:
        found: dict[str, Any] = cache[key]
        return found
    after = chosen.weights()
    if after is None:
        st.info("The weights of this run are not kept any more, so there is nothing to look into.")
        return None
    digits = digits_of(source)
    config = chosen.config
    index = list(rows)
    try:
        with st.spinner("Passing images through the network"):
            answer = runtime().submit_task(
                before_and_after,
                config.sizes,
                after,
                chosen.weights(start=True),
                config.initializer,
                config.seed,
                np.array(digits.images[index]),
                np.array(digits.labels[index]),
                config.dropout,
                mask_seed,
            )
            found = answer.result(timeout=PATIENCE)
    except LimitReached as full:
        st.info(str(full), icon=":material/hourglass_top:")
        return None
    except Exception:  # too late, or whatever ended the worker: the visitor can only ask again
        st.warning("The worker did not answer. Try again in a moment.", icon=":material/error:")
        return None
    if len(cache) > 20:
        cache.clear()
    cache[key] = found
    return found


def _histograms(state: LinkState, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """One chart a layer, before and after over each other."""
    what = st.segmented_control(
        "What the hooks heard",
        ["values", "gradients"],
        format_func={"values": "forward: z of each layer", "gradients": "backward: gradient at z"}.__getitem__,
        key=state.key("histogram"),
        required=True,
    )
    if what == "values":
        st.markdown(
            "z is what a layer adds up before its activation. ReLU turns everything left of the line into 0. The "
            "output layer's z "
            f"are the {word('logits')}.",
            unsafe_allow_html=True,
        )
    else:
        st.markdown(
            "How strongly the loss of one image pulls at each z, as a power of ten: −2 means 0.01. The more to the "
            "left, the less a "
            "unit can still learn. Where ReLU has put out 0, no gradient comes back at all; these are not drawn, but "
            "counted below."
        )
    columns = st.columns(2, gap="medium")
    rows = []
    for index, (old, new) in enumerate(zip(before["layers"], after["layers"], strict=True)):
        table = _bins(old[what], new[what])
        rows.append(table.assign(layer=old["name"]))
        with columns[index % 2]:
            _draw_histogram(
                table,
                title=f"{old['name'].capitalize()}, {old['units']} units",
                x_title="z" if what == "values" else "log10 |gradient|",
                zero=what == "values" and old["name"] != "output",
                key=f"inside_{what}_{index}",
            )
    table_twin(pd.concat(rows, ignore_index=True), key="inside_histograms", file_name=f"{what}.csv")


def _bins(old: Mapping[str, Any], new: Mapping[str, Any]) -> pd.DataFrame:
    """Both histograms in long form, as the share of all values in each bin."""
    parts = []
    for moment, histogram in zip(MOMENTS, (old, new), strict=True):
        edges, counts = np.array(histogram["edges"]), np.array(histogram["counts"])
        if not len(counts):
            continue
        parts.append(
            pd.DataFrame(
                {
                    "moment": moment,
                    "from": edges[:-1],
                    "to": edges[1:],
                    "share": counts / counts.sum(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _draw_histogram(table: pd.DataFrame, *, title: str, x_title: str, zero: bool, key: str) -> None:
    if table.empty:
        st.caption(f"{title}: no gradient came back at all.")
        return
    data = {
        "bins": pa.Table.from_pandas(table, preserve_index=False),
        "zero": pa.table({"at": pa.array([0.0] if zero else [], pa.float64())}),
    }
    filled: Any = {**_histogram_spec(title, x_title), "datasets": data}
    st.vega_lite_chart(filled, key=key, alt=f"{title}: histogram of {x_title} before and after training")


@lru_cache(maxsize=64)
def _histogram_spec(title: str, x_title: str) -> dict[str, Any]:
    """Steps without filling before training, filled after: told apart without colour."""
    import altair as alt

    base = alt.Chart(alt.NamedData("bins"))
    # z grows a hundredfold in training: the middle of a symlog axis is linear, its ends are logarithmic.
    if x_title == "z":
        scale, axis = alt.Scale(type="symlog", nice=False), alt.Axis(values=_SYMLOG_TICKS, format="~g")
    else:
        scale, axis = alt.Scale(zero=False, nice=False), alt.Axis(tickCount=6)
    x = alt.X(field="from", type="quantitative", title=x_title, scale=scale, axis=axis)
    y = alt.Y(field="share", type="quantitative", title="share in each bin").axis(format="~%")
    colour = alt.Color(
        field="moment",
        type="nominal",
        scale=alt.Scale(domain=list(reversed(MOMENTS))),
        legend=alt.Legend(title=None, orient="top"),
    )
    tooltip = [
        alt.Tooltip(field="moment", type="nominal", title="when"),
        alt.Tooltip(field="from", type="quantitative", format=".3g"),
        alt.Tooltip(field="to", type="quantitative", format=".3g"),
        alt.Tooltip(field="share", type="quantitative", format=".2%"),
    ]
    chart = alt.layer(
        base.transform_filter(f"datum.moment == '{MOMENTS[1]}'")
        .mark_rect(opacity=0.55)
        .encode(
            x=x,
            x2=alt.X2(field="to"),
            y=y,
            y2=alt.Y2(datum=0),
            color=colour,
            tooltip=tooltip,
        ),
        base.transform_filter(f"datum.moment == '{MOMENTS[0]}'")
        .mark_line(interpolate="step-after", strokeWidth=2, strokeDash=[4, 2])
        .encode(x=x, y=y, color=colour, tooltip=tooltip),
        alt.Chart(alt.NamedData("zero"))
        .mark_rule(color="#888888", strokeDash=[3, 3], aria=False)
        .encode(x=alt.X(field="at", type="quantitative")),
    ).properties(title=alt.Title(title, anchor="start", fontSize=15, offset=6), height=280, width="container")
    built: dict[str, Any] = chart.to_dict(validate=True)
    built.pop("datasets", None)
    return built


def _table(before: Mapping[str, Any], after: Mapping[str, Any], images: int) -> None:
    """Dead units, silent values and gradients of each layer, before and after."""
    columns = ("units", "dead units", "z at 0 or below", "no gradient", "median |gradient|", "weight gradient norm")
    heads = "".join(f'<th scope="col">{name}</th>' for name in columns)

    def pair(form: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
        return f"<td>{old[name]:{form}} → <b>{new[name]:{form}}</b></td>"

    body = ""
    for old, new in zip(before["layers"], after["layers"], strict=True):
        hidden = old["name"] != "output"
        dead = f"<td>{len(old['dead'])} → <b>{len(new['dead'])}</b></td>" if hidden else "<td>–</td>"
        silent = pair(".1%", "zero_share", old, new) if hidden else "<td>–</td>"
        body += (
            f'<tr><th scope="row">{html.escape(old["name"])}</th><td>{old["units"]}</td>{dead}{silent}'
            + pair(".1%", "gradient_zero_share", old, new)
            + pair(".1e", "gradient_median", old, new)
            + pair(".2g", "weight_gradient_norm", old, new)
            + "</tr>"
        )
    st.html(
        '<div class="wide-table" tabindex="0" role="region" aria-label="Each layer before and after training">'
        "<table><thead><tr>"
        f'<th scope="col">layer</th>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )
    total = sum(len(layer["dead"]) for layer in after["layers"])
    grown = total - sum(len(layer["dead"]) for layer in before["layers"])
    st.caption(
        f"Before → after. A unit is dead when its z is 0 or below for all {images:,} images: {total} are now"
        + (f", {grown} more than at the start." if grown > 0 else ".")
    )


def _dropped(
    state: LinkState, chosen: Chosen, source: str, row: int, after: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """Dropout's mask for one image."""
    st.subheader("Dropout's mask for one image", anchor=False)
    if not after["mask"]:
        st.markdown(
            "This network has no dropout, so nothing is dropped. Choose one that has, above; or train one in section 3."
        )
        return
    digits = digits_of(source)
    left, right = st.columns([1, 4], gap="large")
    with left:
        show_png(
            image_grid(digits.images[row : row + 1], scale=5),
            alt=f"The image: a handwritten {digits.labels[row]}",
            caption=f"A {digits.labels[row]}",
        )
        if st.button("Draw another mask", icon=":material/shuffle:"):
            state.set(mask_seed=(state["mask_seed"] + 1) % 10_000)
            st.rerun()
    with right:
        st.markdown(
            f"In training mode each hidden unit is dropped with probability {chosen.config.dropout:g}, anew for "
            "every image and every "
            f"batch; what is left is multiplied by 1 / (1 − {chosen.config.dropout:g}) = "
            f"{after['mask'][0]['scale']:.3f}, so that "
            "the next layer hears as much as before. Full: passed on. Empty: ReLU had put out 0 anyway. Crossed: "
            "dropped."
        )
        for index, mask in enumerate(after["mask"]):
            st.caption(
                f"{mask['name']}: {mask['kept']} passed on, {mask['dropped']} dropped, "
                f"{len(mask['states']) - mask['kept'] - mask['dropped']} at zero already"
            )
            show_mask(mask, columns=32, key=f"mask_{index}")


def _code(chosen: Chosen) -> None:
    name = chosen.id if chosen.recorded is not None else "A-baseline"
    show_code(
        script=scripts.inside(name),
        key="inside",
        file_name="inside.py",
        requires="torch torchvision safetensors",
        note="The app asks a worker process for this, by `mlcore.networks.probes`: the page runs without PyTorch.",
    )
