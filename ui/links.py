"""The state of a page lives in its link: whoever opens the link, or reloads the page, sees the same thing.

A page declares its parameters once, each with a default and a rule for reading it from text, and asks for its state:

    state = restore("forward", text("f", REPORT_F), number("x1", 0.7), choice("view", ("graph", "table"), "graph"))
    view = st.segmented_control("View", ("graph", "table"), key=state.key("view"))      # any Streamlit widget
    x1 = number_field("x1", state=state, key="x1")                                      # a field of ui.fields
    if st.button("Next"):
        state.set(step=state["step"] + 1)                                               # anything else
    copy_link_button(state)

`state["view"]` is the value now. The address follows by itself: only what differs from the default is written. A
parameter that cannot be read is left at its default and named in one sentence. The visitor's own token (`me`) stays in
the address while the visitor moves about, and is never part of a copied link.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from ui.params import Param, choice, choices, config, flag, integer, number, numbers, text
from ui.seeding import seed

__all__ = [
    "OWNER",
    "LinkState",
    "Param",
    "carried",
    "choice",
    "choices",
    "config",
    "copy_link_button",
    "flag",
    "integer",
    "number",
    "numbers",
    "restore",
    "share_link",
    "text",
]

OWNER = "me"
"""The query parameter that holds the visitor's token; `ui.runs` makes it, this module carries it along."""

_LONGEST = 4000
_MOST_NAMED = 5
_RACE_SECONDS = 1.5
_KNOWN_ELSEWHERE = ("embed", "embed_options", "utm_source", "utm_medium", "utm_campaign", "fbclid", "gclid")


# -- the state of a page -----------------------------------------------------------------------------------------------


@dataclass
class _Slot:
    """What a session keeps of one page between its runs."""

    values: dict[str, Any]
    reseed: set[str] = field(default_factory=set)
    typed: set[str] = field(default_factory=set)
    bound: set[str] = field(default_factory=set)
    written: list[dict[str, str]] = field(default_factory=list)
    written_at: float = 0.0
    ignored: list[str] = field(default_factory=list)


class LinkState(Mapping[str, Any]):
    """The values of a page's parameters, kept in step with its widgets and its address. Made by `restore`."""

    def __init__(self, page: str, params: Mapping[str, Param], slot: _Slot) -> None:
        self.page = page
        self._params = params
        self._slot = slot

    def __getitem__(self, name: str) -> Any:
        """The value now: what the widget says where one is bound and drawn, else what was last set."""
        if name not in self._params:
            raise KeyError(name)
        key = self._key(name)
        if name in self._slot.bound and name not in self._slot.reseed and key in st.session_state:
            value = st.session_state[key]
            if value is None and self._params[name].default is not None:
                # A choice that was taken back (Escape on segmented buttons does it): the last one stays in force.
                self._slot.reseed.add(name)
            else:
                self._slot.values[name] = value
        return self._slot.values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    def key(self, name: str) -> str:
        """The `key=` for the widget that shows this parameter; the widget starts at the parameter's value.

        Call it where the widget is made, and give the widget no value of its own.
        """
        self._slot.bound.add(name)
        return self._seed(name, self._slot.values[name])

    def typed_key(self, name: str) -> str:
        """As `key`, for a text input whose text stands for the value (`ui.fields` reads it and calls `set`)."""
        self._slot.typed.add(name)
        return self._seed(name, self._params[name].show(self._slot.values[name]))

    def set(self, **values: Any) -> None:
        """Give parameters new values; their widgets and the address follow. Works in callbacks and in the script.

        Where the widget was already drawn in this run, it follows at the next (`st.rerun()` brings it about).
        """
        for name, value in values.items():
            if name not in self._params:
                raise KeyError(name)
            self._slot.values[name] = value
            self._slot.reseed.add(name)
        self.sync()

    def put(self, name: str, value: Any) -> None:
        """As `set`, but without touching Streamlit, which may end this run of the page; the address follows later."""
        self._slot.values[name] = value
        self._slot.reseed.add(name)

    def keep(self, name: str, value: Any) -> None:
        """Take a value that the widget itself already shows (for `ui.fields`)."""
        self._slot.values[name] = value
        self.sync()

    def parse(self, name: str, given: str) -> Any:
        """What a text says by this parameter's own rule; raises ValueError with the rest of a sentence."""
        return self._params[name].parse(given)

    def reset(self, *names: str) -> None:
        """Put these parameters, or all, back to their defaults."""
        self.set(**{name: self._params[name].default for name in names or self._params})

    def query(self) -> dict[str, str]:
        """What the address says: every parameter that is not at its default, as text."""
        return {
            name: shown
            for name, param in self._params.items()
            if (shown := param.show(self[name])) != param.show(param.default)
        }

    def sync(self) -> None:
        """Write the address. `restore` and `set` do so; a fragment with bound widgets calls it once itself."""
        query = self.query()
        kept = {name: value for name, value in st.query_params.items() if _elsewhere(name)}
        # Remembered first: a click may end this run of the page while the address is written.
        if not self._slot.written or self._slot.written[-1] != query:
            self._slot.written = [*self._slot.written[-30:], query]
            self._slot.written_at = time.monotonic()
        if {**kept, **query} != st.query_params.to_dict():
            st.query_params.from_dict({**kept, **query})

    def _key(self, name: str) -> str:
        return f"{self.page}.{name}"

    def _seed(self, name: str, value: Any) -> str:
        key = self._key(name)
        seed(key, value, again=name in self._slot.reseed)
        self._slot.reseed.discard(name)
        return key

    # What `restore` does, in order.

    def _follow_widgets(self) -> bool:
        before = dict(self._slot.values)
        for name in self._params:
            self[name]
        return before != self._slot.values

    def _read(self, given: Mapping[str, str]) -> None:
        """Take the whole state from an address."""
        ignored = []
        for name, param in self._params.items():
            value = param.default
            if name in given:
                try:
                    value = _parse(param, given[name])
                except ValueError as problem:
                    ignored.append(f"{name} ({problem})")
            self._slot.values[name] = value
            self._slot.reseed.add(name)
        ignored += [f"{_printable(name)} (not a setting of this page)" for name in given if name not in self._params]
        self._slot.ignored = ignored


def restore(page: str, *params: Param | Iterable[Param], notice: bool = True) -> LinkState:
    """The state of a page: from its address when it is opened or reloaded, from its widgets while it is used.

    Call it once per run, right after `ui.page.page`, with a short name of the page and its parameters. With `notice`,
    parameters of the address that could not be read are named here in one sentence.
    """
    flat = [one for item in params for one in ((item,) if isinstance(item, Param) else item)]
    declared = {param.name: param for param in flat}
    if len(declared) != len(flat):
        raise ValueError(f"page {page!r} declares a parameter twice")
    slots: dict[str, _Slot] = st.session_state.setdefault("links.slots", {})
    fresh = page not in slots
    slot = slots.setdefault(page, _Slot({name: param.default for name, param in declared.items()}))
    for name, param in declared.items():
        slot.values.setdefault(name, param.default)
    state = LinkState(page, declared, slot)

    arrived = fresh or st.session_state.get("links.page") != page
    st.session_state["links.page"] = page
    changed = state._follow_widgets()
    if changed:
        slot.ignored = []
    given = {name: value for name, value in st.query_params.items() if not _elsewhere(name)}
    if _from_outside(slot, given, arrived=arrived, changed=changed):
        state._read(given)
    state.sync()
    if slot.ignored and notice:
        _show_ignored(slot)
    return state


def _from_outside(slot: _Slot, given: Mapping[str, str], *, arrived: bool, changed: bool) -> bool:
    """Whether the address came with the visitor (a link, the back button) rather than from this page's own writing.

    A click that is quicker than the network brings an address we wrote a moment ago; that one must not win over what
    was clicked.
    """
    if arrived:
        return bool(given)
    if slot.written and given == slot.written[-1]:
        return False
    if given not in slot.written:
        return True
    return not changed and time.monotonic() - slot.written_at > _RACE_SECONDS


def _show_ignored(slot: _Slot) -> None:
    named = slot.ignored[:_MOST_NAMED]
    more = len(slot.ignored) - len(named)
    # Streamlit shows this as markdown; the parameter's text is a visitor's, so it is shown as code.
    parts = ", ".join(f"`{part.replace('`', '')}`" for part in named) + (f" and {more} more" if more else "")
    st.info(f"This link has parts that cannot be used, so their defaults stand: {parts}.", icon=":material/link_off:")


def _parse(param: Param, given: str) -> Any:
    if len(given) > _LONGEST:
        raise ValueError(f"may have at most {_LONGEST} characters")
    return param.parse(given)


def _elsewhere(name: str) -> bool:
    return name == OWNER or name in _KNOWN_ELSEWHERE


def _printable(given: str) -> str:
    shown = "".join(character if character.isprintable() else "?" for character in given)
    return shown if len(shown) <= 40 else shown[:39] + "…"


# -- links that leave the page -----------------------------------------------------------------------------------------


def carried() -> dict[str, str]:
    """What every link between the app's pages takes along: the visitor's token, where there is one."""
    token = st.query_params.get(OWNER) or st.session_state.get(OWNER)
    return {OWNER: token} if isinstance(token, str) and token else {}


def share_link(state: LinkState) -> str:
    """The address to hand to somebody else: this page in this state, without the visitor's token."""
    query = urlencode(state.query())
    base = (st.context.url or "").partition("?")[0]
    if base.count("/") == 2:  # https://host
        base += "/"
    return f"{base}?{query}" if query else base


_COPY_HTML = """<button type="button" class="copy">Copy link</button>
<input class="link" readonly hidden aria-label="Link">
<span class="said" role="status"></span>"""
_COPY_CSS = """
:host, .root { font-family: var(--st-font); }
.copy { font: inherit; font-size: 0.9rem; color: var(--st-text-color); background: var(--st-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius); padding: 0.4rem 0.8rem;
  min-height: 2.5rem; cursor: pointer; }
.copy:hover, .copy:focus-visible { border-color: var(--st-primary-color); color: var(--st-primary-color); }
.copy:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
.said { margin-left: 0.6rem; font-size: 0.9rem; color: var(--st-text-color); }
.link { display: block; width: 100%; box-sizing: border-box; margin-top: 0.4rem; padding: 0.4rem; font: inherit;
  font-size: 0.85rem; color: var(--st-text-color); background: var(--st-secondary-background-color);
  border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); }
.link[hidden] { display: none; }
"""
_COPY_JS = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector(".copy");
  const field = parentElement.querySelector(".link");
  const said = parentElement.querySelector(".said");
  button.textContent = data.label;
  button.onclick = async () => {
    // The address as it is now: a part of the page may have run alone since this button was drawn.
    const query = new URLSearchParams(window.location.search);
    for (const name of data.leave_out) query.delete(name);
    const base = data.base || window.location.origin + window.location.pathname;
    const link = query.size ? `${base}?${query}` : base;
    field.value = link;
    let copied = false;
    try { await navigator.clipboard.writeText(link); copied = true; } catch (refused) { copied = false; }
    if (!copied) {
      field.hidden = false;
      field.focus();
      field.select();
      try { copied = document.execCommand("copy"); } catch (refused) { copied = false; }
      if (copied) field.hidden = true;
    }
    said.textContent = copied ? "Link copied." : "Copy this link:";
    window.setTimeout(() => { if (copied) said.textContent = ""; }, 4000);
  };
}
"""
_copy = st.components.v2.component("backprop_lab_copy_link", html=_COPY_HTML, css=_COPY_CSS, js=_COPY_JS)


def copy_link_button(state: LinkState, *, label: str = "Copy link", key: str = "copy_link") -> None:
    """A button that puts `share_link(state)`, as the state is at the click, on the clipboard, or shows it where the
    browser does not allow that."""
    base = share_link(state).partition("?")[0]
    _copy(key=f"{state.page}.{key}", data={"label": label, "base": base, "leave_out": [OWNER, *_KNOWN_ELSEWHERE]})
