"""Section 1: the two networks, their recorded runs as curves, and what the curves say in words (L3.1, L3.4 to L3.6)."""

from __future__ import annotations

import html
from collections.abc import Sequence
from functools import lru_cache

import streamlit as st

from mlcore.experiments.overfitting import describe, turned
from mlcore.experiments.selection import Selection, explain, select
from mlcore.experiments.variants import compare
from mlcore.networks.architectures import ARCHITECTURES, INPUTS, OUTPUTS, parameter_count
from ui.code import show_code
from ui.fields import whole_list_field
from ui.lesson3 import curves, scripts
from ui.lesson3.data import PART_SIZES, Series, recorded_series, variant_of
from ui.lesson3.drawing import show_network
from ui.lesson3.findings_list import findings_html
from ui.links import LinkState
from ui.terms import terms, word


def draw(state: LinkState) -> None:
    """The whole section: the curves first, because they are what the page is opened for."""
    runs = recorded_series()
    if not runs:
        st.info(
            "The recorded runs are not here yet. `python -m mlcore record networks` makes them; section 3 trains new "
            "ones.",
            icon=":material/hourglass_empty:",
        )
        _networks(state)
        return
    _curves(state, runs)
    _networks(state)
    _in_words(state, runs)
    _honest(state, runs)


def _curves(state: LinkState, runs: dict[str, Series]) -> None:
    """The recorded runs over each other; what is drawn is chosen below the chart."""
    st.header("What 500 epochs did to them", anchor=False)
    st.markdown(
        "Each network saw the same 57,000 images up to 500 times. The lines are recorded runs of this project's own "
        f"code, on all of MNIST: 10,000 other images to {word('validation set', 'validate')}, 3,000 to "
        f"{word('test set', 'test')}.",
        unsafe_allow_html=True,
    )
    shown = curves.runs_of(state, runs)
    cursor, about = _turning_point(state, runs)
    everything = [series.label for series in runs.values()]
    curves.chart(state, shown, key="recorded_curves", cursor=cursor, all_runs=everything)
    if cursor is not None and about is not None:
        st.caption(f"The upright line: epoch {cursor:.0f}, where the validation loss of {about.label} was lowest.")
    curves.where_curves_end(shown)
    curves.choose_runs(state, runs)
    curves.choose_quantity(state)
    terms("overfitting", "evaluation mode", "dropout", "StepLR", "cross-entropy", "F1", key="recorded")


def _networks(state: LinkState) -> None:
    """Both architectures to scale, and one of the visitor's own beside them (report R2, figures 8 and 9)."""
    counts = {name: parameter_count((INPUTS, *hidden, OUTPUTS)) for name, hidden in ARCHITECTURES.items()}
    st.header("Two networks", anchor=False)
    st.markdown(
        f"Network A has {counts['A']:,} {word('parameters')}, network B {counts['B']:,}: "
        f"{counts['B'] / counts['A']:.1f} times as many. A bar is a layer, as wide as it has units. The blue "
        "between two "
        "bars is the weights that join them, the deeper the more of the network's parameters it holds.",
        unsafe_allow_html=True,
    )
    own: tuple[int, ...] = ()
    with st.container(key="own_network"), st.popover("Draw one of your own", icon=":material/add:", type="tertiary"):
        own = whole_list_field(
            "Units of its hidden layers",
            state=state,
            key="hidden",
            help="Whole numbers with commas between, up to five: `128, 64`. Section 3 can train it.",
        )
    drawn = {f"Network {name}": (INPUTS, *hidden, OUTPUTS) for name, hidden in ARCHITECTURES.items()}
    if own:
        drawn["Your network"] = (INPUTS, *own, OUTPUTS)
    for index, (name, sizes) in enumerate(drawn.items()):
        if index % 2 == 0:  # three in a row would be too small to read
            columns = st.columns(2, gap="large")
        with columns[index % 2]:
            st.markdown(f"**{name}** · {parameter_count(sizes):,} parameters")
            show_network(name, sizes, key=f"drawing_{name}")
            if max(sizes) > INPUTS:
                st.caption("Its widest layer is wider than the image, so it is drawn to a smaller scale.")
    show_code(
        parameter_count,
        script=scripts.networks(own),
        key="networks",
        file_name="networks.py",
        requires="torch",
        note="Each unit has one weight per input and one bias: that is the + 1.",
    )


def _turning_point(state: LinkState, runs: dict[str, Series]) -> tuple[float | None, Series | None]:
    """The epoch to mark in the chart: where the run that is spoken of turned, if it is on screen by epochs."""
    about = runs.get(state["about"])
    if about is None or state["x"] != "epochs" or about.id not in state["runs"] or turned(about.curves()) is None:
        return None, None
    run = about.curves()
    return float(run.epoch[run.lowest]), about


def _in_words(state: LinkState, runs: dict[str, Series]) -> None:
    """What the rules find in one run, and between two (L3.5)."""
    st.header("Overfitting, in words", anchor=False)
    left, right = st.columns(2, gap="medium")
    about = _pick(left, "Say it about", state, "about", runs)
    others = [name for name in runs if name != about and name[0] == about[0]]
    beside = _pick(right, "and beside it", state, "beside", runs, ["none", *others])
    st.html(findings_html(describe(runs[about].curves())))
    if beside in runs:
        st.subheader(f"{runs[beside].label}, seen from {runs[about].label}", anchor=False)
        st.html(findings_html(compare(runs[about].curves(variant_of(about)), runs[beside].curves(variant_of(beside)))))
    st.caption(
        "Each sentence comes from a rule that looks at the numbers of this run. Where a rule does not apply, nothing "
        "is said."
    )
    show_code(
        describe,
        compare,
        turned,
        script=scripts.overfitting(about),
        key="words",
        file_name="overfitting.py",
        requires="pandas",
        note="One rule in full; the others stand beside it in the same file.",
    )


def _pick(
    place: st.delta_generator.DeltaGenerator,
    label: str,
    state: LinkState,
    name: str,
    runs: dict[str, Series],
    options: Sequence[str] | None = None,
) -> str:
    """A select box over runs that are there; a link may name one that is not."""
    options = list(options or runs)
    if state[name] not in options:
        state.set(**{name: options[0]})
    picked: str = place.selectbox(
        label, options, format_func=lambda run: runs[run].label if run in runs else "nothing", key=state.key(name)
    )
    return picked


def _honest(state: LinkState, runs: dict[str, Series]) -> None:
    """The best epoch by validation, judged on the test images, for every run on screen (L3.6)."""
    st.header("The best epoch, honestly", anchor=False)
    about = runs[state["about"]]
    chosen = _selected(about)
    st.markdown(f"**{about.label}.** {explain(chosen)}")
    rows = {}
    for name in dict.fromkeys([about.id, *state["runs"]]):
        if name in runs:
            rows[runs[name].label] = _selected(runs[name])
    st.html(_selection_table(rows))
    terms("Wilson interval", "validation set", "test set", key="honest")
    show_code(select, script=scripts.selection(about.id), key="selection", file_name="selection.py", requires="pandas")


@lru_cache(maxsize=64)
def _selected(series: Series) -> Selection:
    """Kept for each recording: an interval takes a few milliseconds."""
    return select(series.table, *PART_SIZES[series.config.source][1:])


@lru_cache(maxsize=64)
def _gain(selection: Selection) -> str:
    return selection.gain.words


def _selection_table(rows: dict[str, Selection]) -> str:
    """Validation and test accuracy of each run's best and last epoch, with intervals."""

    def cells(selection: Selection) -> str:
        parts = []
        for judged in (selection.best, selection.last):
            low, high = judged.test_interval
            parts.append(
                f"<td>{judged.epoch}</td><td>{100 * judged.validation_accuracy:.2f}</td>"
                f"<td><b>{100 * judged.test_accuracy:.2f}</b> <small>{100 * low:.2f} to {100 * high:.2f}</small></td>"
            )
        return "".join(parts) + f"<td>{html.escape(_gain(selection))}</td>"

    body = "".join(f'<tr><th scope="row">{html.escape(name)}</th>{cells(row)}</tr>' for name, row in rows.items())
    return (
        '<div class="wide-table" tabindex="0" role="region" aria-label="Best and last epoch of each run"><table>'
        '<thead><tr><td></td><th colspan="3" scope="colgroup">epoch chosen on validation</th>'
        '<th colspan="3" scope="colgroup">last epoch</th><td></td></tr><tr><th scope="col">run</th>'
        + '<th scope="col">epoch</th><th scope="col">validation %</th><th scope="col">test % (95 % interval)</th>' * 2
        + f'<th scope="col">what choosing was worth</th></tr></thead><tbody>{body}</tbody></table></div>'
    )
