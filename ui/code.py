"""“Show the code”: the function of `mlcore` that computed what is on screen, and a script that does it without the app.

The source is read from the running function, so what is shown is what ran.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import streamlit as st

_ROOT = Path(__file__).parent.parent


def show_code(
    *functions: Callable[..., Any] | type | str,
    script: str | None = None,
    key: str,
    label: str = "Show the code",
    note: str | None = None,
    file_name: str = "backprop_lab.py",
    requires: str = "numpy",
    lazy: bool = False,
) -> None:
    """An expander with the real source of `functions`, and a stand-alone script to copy or download.

    Args:
        functions: functions, methods or classes of `mlcore`; each is shown as it stands in its file. One that lies
            beside PyTorch, which this process does not load, is named: "mlcore.networks.probes:watch".
        script: a whole Python program that reproduces the state on screen.
        key: unique on the page.
        note: one or two sentences on what to look for.
        file_name: name of the downloaded script.
        requires: what the script needs besides Python, as `pip install` takes it.
        lazy: send the contents only while the expander is open; opening it runs the page, or the fragment, again.
            For a script that changes with every number typed.
    """
    with st.expander(
        label, icon=":material/code:", key=f"code.{key}", on_change="rerun" if lazy else "ignore"
    ) as expander:
        if lazy and not expander.open:
            return
        if note:
            st.markdown(note)
        for function in functions:
            source, place = source_of(function)
            st.caption(f"The code that ran: `{place}`")
            st.code(source, language="python")
        if script is not None:
            st.caption(f"The same without this app. It needs Python and `{requires}`.")
            st.code(script, language="python")
            st.download_button(
                "Download the script",
                script,
                file_name=file_name,
                mime="text/x-python",
                icon=":material/download:",
                on_click="ignore",
                key=f"code.{key}.download",
            )


@lru_cache(maxsize=256)
def source_of(function: Callable[..., Any] | type | str) -> tuple[str, str]:
    """(source text, "mlcore/autodiff/value.py, line 40") of a function, a method or a class.

    Raises:
        KeyError: a name that its module does not define.
    """
    if isinstance(function, str):
        return _source_named(*function.split(":"))
    plain = inspect.unwrap(function) if callable(function) else function
    lines, start = inspect.getsourcelines(plain)
    path = Path(inspect.getsourcefile(plain) or "")
    shown = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else path.name
    return textwrap.dedent("".join(lines)), f"{shown}, line {start}"


def _source_named(module: str, name: str) -> tuple[str, str]:
    """The same read from the module's file, which is not imported; a method is `Class.method`."""
    path = _ROOT / (module.replace(".", "/") + ".py")
    text = path.read_text()
    found: ast.AST = ast.parse(text)
    for part in name.split("."):
        inside = [node for node in ast.iter_child_nodes(found) if getattr(node, "name", None) == part]
        if not inside:
            raise KeyError(f"{module} defines no {name}")
        found = inside[0]
    assert isinstance(found, (ast.FunctionDef, ast.ClassDef))
    start = min([found.lineno, *(decorator.lineno for decorator in found.decorator_list)])
    lines = text.splitlines(keepends=True)[start - 1 : found.end_lineno]
    return textwrap.dedent("".join(lines)), f"{path.relative_to(_ROOT)}, line {start}"
