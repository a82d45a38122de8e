"""The app in a real browser: started once, on a free port, with a database of its own.

    def test_main_path(open_page, screen):
        page = open_page("Forward_and_backward", {"x1": "0.7"}, **screen)
        page.get_by_role("button", name="Next").click()
        settle(page)
        expect(page.get_by_text("0.26887")).to_be_visible()

Every page that `open_page` opened is checked when the test ends: no error in the browser's console, no exception on
the page, no sideways scrolling; and nothing uncaught in the app's log. `SCREENS` are the sizes and themes to try
(`screen` is parametrized over them); `assert_accessible(page)` runs axe-core; `shoot(page, path)` takes a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.browser import ARGUMENTS, WAIT, WATCH_QUESTIONS, App, find_chromium, settle, shoot, start_app, stop_app

__all__ = ["SCREENS", "App", "OpenPage", "assert_accessible", "assert_calm", "settle", "shoot"]

playwright_api = pytest.importorskip("playwright.sync_api")
Page = playwright_api.Page
playwright_api.expect.set_options(timeout=WAIT)

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SCREENS = [
    pytest.param({"theme": "light", "width": 1280}, id="light-1280"),
    pytest.param({"theme": "dark", "width": 1280}, id="dark-1280"),
    pytest.param({"theme": "light", "width": 390}, id="light-390"),
    pytest.param({"theme": "dark", "width": 390}, id="dark-390"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests are one group: one process runs them, with one app and one browser."""
    here = Path(__file__).parent
    for item in items:
        if here in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The app on a free port, with a database of its own and all of MNIST where that is here."""
    if find_chromium() is None:
        pytest.skip("no Chromium was found: install one, or set LAB_CHROMIUM to its path")
    place = tmp_path_factory.mktemp("lab")
    running = start_app(place)
    yield running
    stop_app(running)


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
        context.add_init_script(WATCH_QUESTIONS)
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
    # axe judges contrast only of what is on the screen: a screen as tall as the page.
    seen = page.viewport_size
    tall = page.evaluate("() => Math.max(...[...document.querySelectorAll('.stMain')].map((e) => e.scrollHeight))")
    page.set_viewport_size({"width": seen["width"], "height": max(seen["height"], tall + 50)})
    found = page.evaluate(
        """async (out) => {
            // A colour on its way to another is neither: the pointer has just left a button, say.
            await new Promise(requestAnimationFrame);
            const moving = document.getAnimations().filter((one) => one instanceof CSSTransition);
            await Promise.allSettled(moving.map((one) => one.finished));
            const rules = Object.fromEntries(out.map((rule) => [rule, {enabled: false}]));
            const result = await axe.run(document, {rules, resultTypes: ["violations"]});
            return result.violations.filter((one) => ["serious", "critical"].includes(one.impact))
                .map((one) => `${one.id}: ${one.help}: `
                    + one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(" | "));
        }""",
        [*STREAMLITS_OWN, *leave_out],
    )
    page.set_viewport_size(seen)
    assert found == [], "axe-core finds:\n" + "\n".join(found)


STREAMLITS_OWN: tuple[str, ...] = ()
"""axe rules that pages of plain Streamlit widgets break, whatever the app does; each with what was seen."""
