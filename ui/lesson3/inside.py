"""Section 5: what hooks see in a network: histograms of each layer, dead units, dropout's mask for one image (L3.8)."""

from __future__ import annotations

import html
import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotYet
from typing import Any, NamedTuple

import numpy as np
import streamlit as st

from mlcore.data.mnist import available_sources
from mlcore.experiments.inside import before_and_after
from mlcore.experiments.metrics import percent_text
from mlcore.runtime import LimitReached
from ui.code import show_code
from ui.digits import digits_of
from ui.fields import whole_field
from ui.images import image_grid, show_png
from ui.lesson3 import scripts
from ui.lesson3.chosen import Chosen, Moment, networks, pick, say_if_seen
from ui.lesson3.data import split_of
from ui.lesson3.histograms import draw_histograms
from ui.lesson3.mask import show_mask
from ui.links import LinkState
from ui.runs import plain, runtime
from ui.terms import terms

IMAGES = 1000
PATIENCE, BUSY_SECONDS = 0.3, 20.0  # seconds to wait within one run of the page, and until the worker is called busy
MOST_KEPT = 20  # answers
_STORE = "lesson3.inside"


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
    asked = _ask(chosen, source, tuple(int(row) for row in rows), state["mask_seed"])
    if asked is None or not _answered(asked):
        return
    before, after = asked.answer.result()["before"], asked.answer.result()["after"]
    kind = "validation images" if source == chosen.config.source else "images of the sample"
    st.markdown(
        f"**{plain(chosen.short)}**, after {asked.moment}. On {len(rows):,} {kind} its loss is {after['loss']:.4f} and "
        f"it has {100 * after['accuracy']:.1f} % right; before the first update it was {before['loss']:.3f} and "
        f"{100 * before['accuracy']:.1f} %."
    )
    if asked.moment != chosen.moment:
        st.caption(f"It has moved on since, to {chosen.moment}.")
        _ask_again("Look again")
    say_if_seen(source, chosen)
    draw_histograms(state, before, after)
    _table(before, after, len(rows))
    _dropped(state, chosen, source, int(rows[0]), after)
    terms("dead ReLU", "dropout", "backward pass", "vanishing gradient", "logits", key="inside")
    _code(chosen)


def _image(state: LinkState, count: int) -> int:
    """Which validation image the mask is shown for."""
    number: int = whole_field(
        f"Image for the mask, from 0 to {count - 1:,}", state=state, key="image", low=0, high=count - 1
    )
    return min(number, count - 1)


class Asked(NamedTuple):
    """A question to the worker, how far the weights it is about have been trained, and when it was put."""

    answer: Future[dict[str, Any]]
    moment: Moment
    since: float


def _ask(chosen: Chosen, source: str, rows: tuple[int, ...], mask_seed: int) -> Asked | None:
    """What the hooks see, asked of a worker once per network, image and mask; None, with a sentence, where it cannot.

    Whoever wants the answer asks `_answered` first: the page never waits for it longer than `PATIENCE`.
    """
    kept: dict[Any, Asked] = st.session_state.setdefault(_STORE, {})
    key = (chosen.id, source, rows[0], mask_seed)
    if key in kept:
        return kept[key]
    weights = chosen.weights()
    if weights is None:
        st.info("The weights of this run are not kept any more, so there is nothing to look into.")
        return None
    digits, config, index = digits_of(source), chosen.config, list(rows)
    try:
        answer = runtime().submit_task(
            before_and_after,
            config.sizes,
            weights.named,
            chosen.first_weights(),
            config.initializer,
            config.seed,
            np.array(digits.images[index]),
            np.array(digits.labels[index]),
            config.dropout,
            mask_seed,
        )
    except LimitReached as full:
        st.info(str(full), icon=":material/hourglass_top:")
        _ask_again()
        return None
    if len(kept) >= MOST_KEPT:
        kept.clear()
    kept[key] = Asked(answer, weights.moment, time.monotonic())
    return kept[key]


def _answered(asked: Asked) -> bool:
    """Whether the answer is there; a sentence stands on the page while it is not, and where it never will be."""
    try:
        failed = asked.answer.exception(timeout=PATIENCE) is not None
    except NotYet:
        st.fragment(_wait, run_every=1.0)(asked)
        return False
    except CancelledError:
        failed = True
    if failed:
        st.warning("The worker did not answer.", icon=":material/error:")
        _ask_again()
    return not failed


def _wait(asked: Asked) -> None:
    """Looks every second; the page runs again when the answer is there."""
    if asked.answer.done():
        st.rerun()
    busy = time.monotonic() - asked.since > BUSY_SECONDS
    st.info(
        "The worker is busy with other questions. The answer comes when it is this one's turn."
        if busy
        else "Passing images through the network. PyTorch starts in its worker first, which takes a few seconds.",
        icon=":material/hourglass_top:",
    )


def _ask_again(label: str = "Ask again") -> None:
    """A button that forgets the answers so far."""
    if st.button(label, key="lesson3.inside.again"):
        kept: dict[Any, Asked] = st.session_state.get(_STORE, {})
        for key in [key for key, asked in kept.items() if asked.answer.done()]:
            del kept[key]
        st.rerun()


def _table(before: Mapping[str, Any], after: Mapping[str, Any], images: int) -> None:
    """Dead units, silent values and gradients of each layer, before and after."""
    columns = ("units", "dead units", "z at 0 or below", "no gradient", "median |gradient|", "weight gradient norm")
    heads = "".join(f'<th scope="col">{name}</th>' for name in columns)

    def pair(form: str, name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
        then, now = (percent_text(at[name], 1) if form == "%" else f"{at[name]:{form}}" for at in (old, new))
        return f"<td>{then} → <b>{now}</b></td>"

    body = ""
    for old, new in zip(before["layers"], after["layers"], strict=True):
        hidden = old["name"] != "output"
        dead = f"<td>{len(old['dead'])} → <b>{len(new['dead'])}</b></td>" if hidden else "<td>–</td>"
        silent = pair("%", "zero_share", old, new) if hidden else "<td>–</td>"
        body += (
            f'<tr><th scope="row">{html.escape(old["name"])}</th><td>{old["units"]}</td>{dead}{silent}'
            + pair("%", "gradient_zero_share", old, new)
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


def _dropped(state: LinkState, chosen: Chosen, source: str, row: int, after: Mapping[str, Any]) -> None:
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
        if st.button("Another mask", icon=":material/shuffle:"):
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
        "mlcore.networks.probes:watch",
        "mlcore.networks.probes:look_inside",
        script=scripts.inside(name),
        key="inside",
        file_name="inside.py",
        requires="torch torchvision safetensors",
        note="A worker process does this for the app: the page itself runs without PyTorch."
        + ("" if chosen.recorded is not None else " The weights of your own run lie in the app; the script takes A's."),
    )
