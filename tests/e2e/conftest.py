"""The app in a real browser: started once, on a free port, with a database of its own.

    def test_main_path(open_page, screen):
        page = open_page("Forward_and_backward", {"x1": "0.7"}, **screen)
        page.get_by_role("button", name="Next").click()
        settle(page)
        expect(page.get_by_text("0.26887")).to_be_visible()

Every page that `open_page` opened is checked when the test ends: no error in the browser's console, no exception on
the page, no sideways scrolling; and nothing uncaught in the app's log. `SCREENS` are the sizes and themes to try
(`screen` is parametrized over them); `assert_accessible(page)` runs axe-core.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.browser import ARGUMENTS, find_chromium
from tests.conftest import ROOT, find_mnist

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SCREENS = [
    pytest.param({"theme": "light", "width": 1280}, id="light-1280"),
    pytest.param({"theme": "dark", "width": 1280}, id="dark-1280"),
    pytest.param({"theme": "light", "width": 390}, id="light-390"),
    pytest.param({"theme": "dark", "width": 390}, id="dark-390"),
]
WAIT = 30_000  # milliseconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests are one group: one process runs them, with one app and one browser."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@dataclass
class App:
    """The running app."""

    url: str
    log: Path
    process: subprocess.Popen[bytes]

    def logged(self) -> str:
        """All it has logged so far."""
        return self.log.read_text(errors="replace")


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a free port, with a database of its own and all of MNIST where that is here."""
    if find_chromium() is None:
        pytest.skip("no Chromium was found: install one, or set LAB_CHROMIUM to its path")
    place = tmp_path_factory.mktemp("lab")
    running = start_app(place)
    yield running
    stop_app(running)


def start_app(place: Path, **environment: str) -> App:
    """Start the app with its runs in `place`; the caller stops it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mnist = find_mnist()
    variables = {
        **os.environ,
        "LAB_DIRECTORY": str(place),
        "LAB_DATABASE_URL": "",
        **({"MLCORE_DATA": str(mnist)} if mnist else {}),
        **environment,
    }
    log = place / "app.log"
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.headless=true"]
    command += [f"--server.port={port}", "--server.address=127.0.0.1", "--server.fileWatcherType=none"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
    running = App(f"http://127.0.0.1:{port}", log, process)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the app ended at once:\n{running.logged()}")
        try:
            with urllib.request.urlopen(f"{running.url}/_stcore/health", timeout=2):
                return running
        except OSError:
            time.sleep(0.1)
    stop_app(running)
    raise RuntimeError(f"the app did not answer within a minute:\n{running.logged()}")


def stop_app(running: App) -> None:
    """End the app and whatever it started."""
    running.process.terminate()
    try:
        running.process.wait(15)
    except subprocess.TimeoutExpired:
        running.process.kill()
        running.process.wait(15)


@pytest.fixture(scope="session")
def browser(app: App) -> Iterator[object]:
    """One Chromium for all tests."""
    with playwright_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        yield chromium
        chromium.close()


@pytest.fixture(params=SCREENS)
def screen(request: pytest.FixtureRequest) -> dict[str, object]:
    """A theme and a width; every test that takes it runs on all four."""
    chosen: dict[str, object] = request.param
    return chosen


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(app: App, browser: object) -> Iterator[OpenPage]:
    """open_page(path="", params={}, theme="light", width=1280): a settled page in a browser context of its own."""
    contexts: list[object] = []
    opened: list[tuple[object, list[str]]] = []
    log_before = len(app.logged())

    def open_it(
        path: str = "",
        params: dict[str, str] | None = None,
        *,
        theme: str = "light",
        width: int = 1280,
        height: int = 900,
    ) -> Page:
        context = browser.new_context(  # type: ignore[attr-defined]
            viewport={"width": width, "height": height},
            color_scheme=theme,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(WAIT)
        contexts.append(context)
        page = context.new_page()
        errors: list[str] = []
        page.on("console", lambda message: _keep_error(message, errors))
        page.on("pageerror", lambda error: errors.append(str(error)))
        opened.append((page, errors))
        query = f"?{urlencode(params)}" if params else ""
        page.goto(f"{app.url}/{path}{query}")
        settle(page)
        return page

    yield open_it
    try:
        for page, errors in opened:
            assert_calm(page)
            assert errors == [], f"the browser's console has errors: {errors}"
        said = app.logged()[log_before:]
        assert "Traceback" not in said, f"the app logged an exception:\n{said[-4000:]}"
    finally:
        for context in contexts:
            context.close()  # type: ignore[attr-defined]


def _keep_error(message: object, errors: list[str]) -> None:
    # On a deep link Streamlit looks for its server under the page's path first, which is not there, and then at the
    # root: the browser reports the first look as an error.
    url = message.location.get("url", "")  # type: ignore[attr-defined]
    if message.type == "error" and "/_stcore/" not in url:  # type: ignore[attr-defined]
        errors.append(f"{message.text} ({url})")  # type: ignore[attr-defined]


def settle(page: Page, *, quiet: float = 0.4) -> None:
    """Wait until the app has run the page to its end and stays still for a moment."""
    page.wait_for_selector("h1")
    deadline = time.monotonic() + WAIT / 1000
    still_since = None
    while time.monotonic() < deadline:
        state = page.get_attribute("[data-testid='stApp']", "data-test-script-state")
        now = time.monotonic()
        if state != "notRunning":
            still_since = None
        elif still_since is None:
            still_since = now
        elif now - still_since >= quiet:
            return
        page.wait_for_timeout(60)
    raise AssertionError("the page was still running after 30 s")


def assert_calm(page: Page) -> None:
    """No exception and no traceback on the page, and nothing that makes it scroll sideways."""
    assert page.locator("[data-testid='stException']").count() == 0, page.locator(
        "[data-testid='stException']"
    ).first.inner_text()
    text = page.locator("body").inner_text()
    assert "Traceback (most recent call last)" not in text
    assert "Something went wrong on our side" not in text
    wide = page.evaluate(
        "() => [...document.querySelectorAll('html, .stMain')].map(e => [e.scrollWidth, e.clientWidth])"
        ".filter(([all, seen]) => all > seen + 1)"
    )
    assert wide == [], f"the page scrolls sideways: {wide}"


def assert_accessible(page: Page, *, leave_out: tuple[str, ...] = ()) -> None:
    """axe-core finds nothing serious in what this app draws.

    `leave_out` names axe rules that something outside this project (Streamlit's own widgets) breaks.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())
    found = page.evaluate(
        """async (out) => {
            const rules = Object.fromEntries(out.map((rule) => [rule, {enabled: false}]));
            const result = await axe.run(document, {rules, resultTypes: ["violations"]});
            return result.violations.filter((one) => ["serious", "critical"].includes(one.impact))
                .map((one) => `${one.id}: ${one.help}: `
                    + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | "));
        }""",
        [*STREAMLITS_OWN, *leave_out],
    )
    assert found == [], "axe-core finds:\n" + "\n".join(found)


STREAMLITS_OWN: tuple[str, ...] = ()
"""axe rules that pages of plain Streamlit widgets break, whatever the app does; each with what was seen."""


def shoot(page: Page, path: Path) -> Path:
    """A picture of the whole page, however long it is."""
    height = page.evaluate(
        "() => Math.max(...[...document.querySelectorAll('.stMainBlockContainer')].map(e => e.scrollHeight))"
    )
    width = page.viewport_size["width"]
    page.set_viewport_size({"width": width, "height": min(int(height) + 60, 8000)})
    settle(page)
    page.screenshot(path=str(path))
    return path
