"""Runs on a page: whose they are, the one runtime of this app, and the live panel that shows and steers a run.

    run_id = runtime().submit(owner(), config)          # raises LimitReached with a sentence for the visitor
    view = runtime().run(owner(), run_id)               # how it stands: the page decides by it what to show
    live_panel(view, charts=draw)                       # draw(view, epochs) is called every second while it trains
    live_group([first, second], charts=draw_all)        # draw_all([(view, epochs), ...])

A panel polls only while something can change. When a run ends, is paused, goes on or has its first epoch, the whole
page is run once, so that what stands around the panel follows. For that a panel is given the view the page was drawn
by, not a run id: between two looks of its own a page could miss the end of a quick run, and show it as under way for
ever. Training happens in worker processes; nothing here trains.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import streamlit as st
from pydantic import ValidationError

from mlcore.experiments.comparison import LABELS, value_text
from mlcore.experiments.configs import Config, config_problems
from mlcore.records import EpochResult
from mlcore.runtime import LimitReached, Runtime, RunView, StoreUnavailable, UnknownRun, new_token, valid_token
from mlcore.runtime.memory import settle
from ui.links import OWNER
from ui.run_words import headline, overall, pace, plain, sharing, within_epoch

__all__ = [
    "POLL_SECONDS",
    "live_charts",
    "live_group",
    "live_line",
    "live_panel",
    "once",
    "owner",
    "plain",
    "runtime",
    "store_may_fail",
]

Charts = Callable[[RunView, list[EpochResult]], None]
GroupCharts = Callable[[list[tuple[RunView, list[EpochResult]]]], None]

POLL_SECONDS = 1.0
# The second of two clicks may come this long after what the first one started is under way.
DOUBLE_CLICK_SECONDS = 1.5
_STARTED = "runs.started"
T = TypeVar("T")
# How many of the runtime's notices this visitor has been told.
_SAID = "runs.said"

# Settings that "Change one thing" offers: all but where the digits come from.
_FIXED = ("kind", "source")


def runtime() -> Runtime:
    """The runtime of this app, started at the first call; if it cannot be started the page says why and stops."""
    try:
        running = _runtime()
    except StoreUnavailable as problem:
        st.error(
            f"{problem} The lessons need it to keep your runs: reload the page to try again.",
            icon=":material/database_off:",
        )
        st.stop()
    _say(running.notices)
    return running


def _say(notices: Sequence[str]) -> None:
    """What whoever opens the app should know, once: a database that was set aside, a setting that was ignored."""
    said = st.session_state.get(_SAID, 0)
    st.session_state[_SAID] = len(notices)
    for notice in notices[said:]:
        st.toast(plain(notice), icon=":material/info:", duration="infinite")


@st.cache_resource(show_spinner=False, on_release=lambda running: running.close())
def _runtime() -> Runtime:
    # Streamlit puts the secrets of a hosted app into the environment, so LAB_* may stand in either.
    running = Runtime.start()
    settle()
    return running


def owner() -> str:
    """This visitor's token, from the link or from the session; a new one for a new visitor.

    It stands in both, because a move to another page drops the one and a reload drops the other. A token in the link
    wins: it is how a visitor comes back to earlier runs.
    """
    given, kept = st.query_params.get(OWNER), st.session_state.get(OWNER)
    token = next((item for item in (given, kept) if valid_token(item)), None) or new_token()
    st.session_state[OWNER] = token
    if given != token:
        st.query_params[OWNER] = token
    return str(token)


@contextmanager
def store_may_fail() -> Iterator[None]:
    """While the database does not answer, its sentence stands where the runs would be."""
    try:
        yield
    except StoreUnavailable as problem:
        st.warning(str(problem), icon=":material/database_off:")


def once(key: str, what: Any, start: Callable[[], T]) -> T:
    """What `start` gives; where the same was started a moment ago, what that gave: a double click starts one run.

    Args:
        key: the button.
        what: tells what it starts from anything else it could start.
        start: begins runs. It must not touch Streamlit, which would end it half-way at the next click.
    """
    started: dict[str, tuple[Any, float, Any]] = st.session_state.setdefault(_STARTED, {})
    before = started.get(key)
    if before is not None and before[0] == what and time.monotonic() - before[1] < DOUBLE_CLICK_SECONDS:
        return cast(T, before[2])
    result = start()
    started[key] = (what, time.monotonic(), result)
    return result


def live_panel(
    view: RunView,
    charts: Charts | None = None,
    *,
    on_fork: Callable[[str], None] | None = None,
    key: str = "live",
) -> None:
    """Show a run and let its owner steer it; the panel moves by itself while the run does.

    Args:
        view: one of the visitor's runs, as the page was drawn by it.
        charts: draws the run's figures, `charts(view, epochs)`, within the panel.
        on_fork: with it there is a "Change one thing" button; called with the new run's id.
        key: tells two panels of a page apart.
    """
    every = POLL_SECONDS if view.live else None
    st.fragment(_panel, run_every=every)(view.id, charts, on_fork, key, _stage(view))


def live_group(
    views: Sequence[RunView],
    charts: GroupCharts | None = None,
    *,
    key: str = "group",
    labels: Mapping[str, str] | None = None,
) -> None:
    """As `live_panel` for several runs whose figures are drawn together: one line and one set of buttons for each.

    Args:
        labels: what to call a run that has no name; by its id.
    """
    every = POLL_SECONDS if any(view.live for view in views) else None
    st.fragment(_group, run_every=every)({view.id: _stage(view) for view in views}, charts, key, labels or {})


def live_charts(views: Sequence[RunView], charts: GroupCharts) -> None:
    """The figures of several runs alone, where the panel of `live_group` stands elsewhere on the page."""
    every = POLL_SECONDS if any(view.live for view in views) else None
    st.fragment(_charts, run_every=every)([view.id for view in views], charts)


def _charts(run_ids: list[str], charts: GroupCharts) -> None:
    found = [item for run_id in run_ids if (item := _look(run_id)) is not None]
    if found:
        charts(found)


def live_line(view: RunView) -> None:
    """One line in the place of a panel, where the results of a run stand that still trains.

    The results stay as they are while somebody reads them; the page is run again when the run ends, or has its first
    epoch.
    """
    if view.live:
        st.fragment(_line, run_every=POLL_SECONDS)(view.id, _stage(view))


def _line(run_id: str, stage: tuple[bool, bool]) -> None:
    found = _look(run_id)
    if found is None:
        return
    view, _ = found
    st.caption(
        f":material/hourglass_top: This run is still training ({overall(view)}). "
        "What stands below is drawn again when it ends."
    )
    if _stage(view) != stage:
        st.rerun()


def _stage(view: RunView) -> tuple[bool, bool]:
    """What decides which parts of a page a run has: whether it moves, and whether there is an epoch to show."""
    return view.live, view.epoch > 0


def _panel(
    run_id: str,
    charts: Charts | None,
    on_fork: Callable[[str], None] | None,
    key: str,
    stage: tuple[bool, bool],
) -> None:
    found = _look(run_id)
    if found is None:
        return
    view, epochs = found
    with st.container(border=True, key=f"{key}.panel"):
        st.markdown(headline(view))
        st.progress(view.progress, text=overall(view))
        complete = view.status == "finished" and not view.halted
        st.progress(1.0 if complete else view.epoch_progress, text=within_epoch(view))
        st.caption(pace(view, runtime().sharing()[2]))
        _controls(view, key, on_fork)
        _problem(key)
    if charts is not None:
        charts(view, epochs)
    again = st.session_state.pop(f"{key}.again", False)
    if again or _stage(view) != stage:
        st.rerun()


def _group(
    stages: dict[str, tuple[bool, bool]], charts: GroupCharts | None, key: str, labels: Mapping[str, str]
) -> None:
    found = [item for run_id in stages if (item := _look(run_id)) is not None]
    with st.container(border=True, key=f"{key}.panel"):
        for number, (view, _) in enumerate(found):
            st.markdown(headline(view, labels.get(view.id, "")))
            st.progress(view.progress, text=overall(view))
            _controls(view, f"{key}.{number}", None, small=True)
        st.caption(sharing([view for view, _ in found], runtime().sharing()[2]))
        for number in range(len(found)):
            _problem(f"{key}.{number}")
    if charts is not None:
        charts(found)
    if any(_stage(view) != stages[view.id] for view, _ in found):
        st.rerun()


def _look(run_id: str) -> tuple[RunView, list[EpochResult]] | None:
    """The run now; that somebody looks keeps it going. While the database does not answer, a sentence."""
    app, me = runtime(), owner()
    with store_may_fail():
        with suppress(UnknownRun):
            app.touch(me, run_id)
        view = app.run(me, run_id)
        epochs = app.epochs(me, run_id)
        if view is not None:
            return view, epochs
        st.info("This run was deleted.", icon=":material/delete:")
    return None


# What the panel does


def _controls(view: RunView, key: str, on_fork: Callable[[str], None] | None, *, small: bool = False) -> None:
    """The same buttons in every state, so that nothing jumps; those that make no sense now are greyed out."""
    active = view.status in ("waiting", "running")
    done = view.status == "finished"
    stopped = done or view.status in ("stopped", "failed")
    with st.container(horizontal=True, key=f"{key}.controls"):
        if active:
            _button("Pause", "pause", "pause", view, key, slot="go")
        else:
            _button("Resume", "resume", "play_arrow", view, key, slot="go", disabled=done)
        _button("One epoch", "step_epoch", "skip_next", view, key, disabled=done or view.step)
        _button("Stop", "stop", "stop", view, key, disabled=stopped)
        _button(
            "Rewind",
            "rewind",
            "replay",
            view,
            key,
            disabled=not (view.epoch or view.batch),
            help="Back to the same first weights. The curves so far go.",
        )
        if on_fork is not None and not small:
            # A key of the run's own: with the second run on screen, the popover is another one, and closed.
            with st.popover("Change one thing", icon=":material/call_split:", key=f"{key}.fork.{view.id}"):
                _fork(view, key, on_fork)


def _button(
    label: str,
    action: str,
    icon: str,
    view: RunView,
    key: str,
    *,
    slot: str = "",
    disabled: bool = False,
    help: str | None = None,
) -> None:
    st.button(
        label,
        icon=f":material/{icon}:",
        key=f"{key}.{slot or action}",
        disabled=disabled,
        help=help,
        on_click=_act,
        args=(action, view.id, key),
    )


def _act(action: str, run_id: str, key: str) -> None:
    """Steer the run; what stands in the way is said in the panel."""
    _try(key, partial(getattr(runtime(), action), owner(), run_id))


def _try(key: str, action: Callable[[], str | None]) -> str | None:
    st.session_state.pop(f"{key}.problem", None)
    try:
        return action()
    except ValidationError as error:
        st.session_state[f"{key}.problem"] = " ".join(config_problems(error).values())
    except (LimitReached, UnknownRun, StoreUnavailable, ValueError) as problem:
        st.session_state[f"{key}.problem"] = str(problem)
    return None


def _problem(key: str) -> None:
    """What stood in the way of the last click, until the next."""
    sentence = st.session_state.get(f"{key}.problem")
    if sentence:
        st.warning(plain(sentence), icon=":material/info:")


def _fork(view: RunView, key: str, on_fork: Callable[[str], None]) -> None:
    """One setting, its new value, and a button: a second run from the same start."""
    names = [name for name in type(view.config).model_fields if name not in _FIXED]
    chosen = st.selectbox("Setting", names, format_func=lambda name: LABELS.get(name, name), key=f"{key}.setting")
    now = _shown(view.config, chosen)
    field = f"{key}.value.{chosen}"
    standing = getattr(view.config, chosen)
    others = [option for option in _options(view.config, chosen) if option != standing]
    if others:
        st.selectbox(f"New value (now {value_text(standing)})", others, format_func=value_text, key=field)
    else:
        st.text_input(f"New value (now {now})", value=now, key=field)
    st.caption("The first weights are the same unless the seed, the layers or the way of drawing them changes.")

    def start() -> None:
        # Read here: what was typed last arrives together with the click.
        typed = st.session_state.get(field, now)
        value = None if str(typed).strip().lower() == "none" and chosen == "step_size" else typed
        app, me = runtime(), owner()
        changes = {chosen: value}
        new = _try(key, lambda: once(f"{key}.fork", (view.id, changes), lambda: app.fork(me, view.id, changes)))
        if new is not None:
            on_fork(new)
            st.session_state[f"{key}.again"] = True

    st.button("Start a second run", icon=":material/play_arrow:", key=f"{key}.fork", on_click=start)


def _options(config: Config, name: str) -> list[str | bool]:
    """The values a setting may have, where it is a choice of a few."""
    annotation = type(config).model_fields[name].annotation
    if annotation is bool:
        return [False, True]
    for part in (annotation, *get_args(annotation)):
        if get_origin(part) is Literal:
            return list(get_args(part))
    return []


def _shown(config: Config, name: str) -> str:
    """A setting's value as its owner would type it."""
    value = getattr(config, name)
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
