"""The direction of imports: each part of `mlcore` uses only the parts that stand before it in `ORDER`.

And nothing in `mlcore` knows Streamlit or Altair or prints; nothing that the app's process loads brings PyTorch in.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

# In reading order; a part may import from itself and from those before it.
ORDER = ("autodiff", "data", "scratch", "networks", "experiments", "runtime")
# Values and figures that belong to no part.
BEFORE_ALL = {"records", "classification"}
AFTER_ALL = {"commands", "__main__"}
PRINTING_ALLOWED = AFTER_ALL

# Outside `networks`, torch and torchvision may be imported here, inside functions that the app's process never calls:
# the data sets, read in a process of their own, and the recording of long runs by the command line.
INSIDE_FUNCTIONS = {"mlcore/data/download.py", "mlcore/experiments/recording.py"}

LIBRARY = sorted((ROOT / "mlcore").rglob("*.py"))
APP = sorted([ROOT / "streamlit_app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "ui").rglob("*.py")])


def part_of(path: Path) -> str:
    """`autodiff` for mlcore/autodiff/value.py, `records` for mlcore/records.py."""
    first = path.relative_to(ROOT / "mlcore").parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether at the top of the module) for every import in a file."""
    tree = ast.parse(path.read_text())
    at_top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno, id(node) in at_top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield node.module or "", node.lineno, id(node) in at_top
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno, id(node) in at_top


def rank(part: str) -> int:
    if part in BEFORE_ALL:
        return -1
    return len(ORDER) if part in AFTER_ALL else ORDER.index(part)


def test_every_part_is_known() -> None:
    parts = {part_of(path) for path in LIBRARY} - {"__init__"}
    assert parts <= {*ORDER, *BEFORE_ALL, *AFTER_ALL}, "a new part needs its place in the order above"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path: Path) -> None:
    part = part_of(path)
    if part == "__init__":
        return
    wrong = [
        f"{path.relative_to(ROOT)}:{line} imports {module}"
        for module, line, _ in imported(path)
        if module.startswith("mlcore.")
        and (target := module.split(".")[1]) in {*ORDER, *BEFORE_ALL, *AFTER_ALL}
        and rank(target) > rank(part)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_library_knows_nothing_of_the_app(path: Path) -> None:
    roots = {module.split(".")[0] for module, _, _ in imported(path)}
    assert not roots & {"streamlit", "altair", "ui", "pages"}
    if part_of(path) not in PRINTING_ALLOWED:
        prints = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        ]
        assert prints == []


@pytest.mark.parametrize("path", LIBRARY + APP, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_networks_names_torch(path: Path) -> None:
    roots = {module.split(".")[0] for module, _, _ in imported(path)}
    if path.is_relative_to(ROOT / "mlcore" / "networks"):
        return
    if str(path.relative_to(ROOT)) in INSIDE_FUNCTIONS:
        roots = {module.split(".")[0] for module, _, at_top in imported(path) if at_top}
    assert not roots & {"torch", "torchvision"}


def _modules_after(code: str) -> set[str]:
    """The top-level modules loaded in a fresh Python after running some code."""
    script = f"{code}\nimport sys\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_library_loads_neither_torch_nor_streamlit() -> None:
    eager = ["mlcore", *(f"mlcore.{part}" for part in ORDER), "mlcore.experiments.configs", "mlcore.data.mnist"]
    loaded = _modules_after("import " + ", ".join(eager))
    assert not loaded & {"torch", "torchvision", "streamlit", "altair"}


def test_the_app_loads_no_torch() -> None:
    """Every page, run in one process as Streamlit runs it."""
    pages = sorted((ROOT / "pages").glob("*.py"))
    assert pages
    code = "import logging; logging.disable()\nfrom streamlit.testing.v1 import AppTest\n"
    code += "app = AppTest.from_file('streamlit_app.py', default_timeout=60).run()\n"
    code += "assert not app.exception, app.exception\n"
    for page in pages:
        code += f"app.switch_page('pages/{page.name}').run()\nassert not app.exception, app.exception\n"
    loaded = _modules_after(code)
    assert not loaded & {"torch", "torchvision", "sklearn"}
