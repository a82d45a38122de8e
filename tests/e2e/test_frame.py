"""The frame of every page in a browser: deep links, reloads, copied links, themes, and hostile addresses."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.conftest import App, OpenPage, settle
from ui.page import PAGES

LESSONS = [entry.path.removeprefix("pages/").removesuffix(".py").split("_", 1)[1] for entry in PAGES[1:]]


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_cold_deep_link_opens_the_page_with_its_frame(open_page: OpenPage, lesson: str) -> None:
    page = open_page(lesson)
    expect(page.get_by_role("heading", level=1)).to_have_text(lesson.replace("_", " "))
    for entry in PAGES:
        expect(page.get_by_role("link", name=entry.label)).to_be_visible()
    # Streamlit's own list of pages is not there a second time.
    expect(page.get_by_test_id("stSidebarNav")).to_have_count(0)


def test_a_link_is_restored_copied_and_survives_a_reload(open_page: OpenPage) -> None:
    page = open_page("Forward_and_backward", {"values": "x1:0.5", "me": "b" * 22})
    page.get_by_role("textbox", name="x1").fill("0.25")
    page.keyboard.press("Enter")
    settle(page)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text("Link copied.")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    query = parse_qs(urlsplit(copied).query)
    assert "me" not in query
    assert any("0.25" in value for values in query.values() for value in values)
    page.reload()
    settle(page)
    expect(page.get_by_role("textbox", name="x1")).to_have_value("0.25")
    page.goto(copied)
    settle(page)
    expect(page.get_by_role("textbox", name="x1")).to_have_value("0.25")


def test_a_click_quicker_than_the_fields_does_not_empty_them(open_page: OpenPage) -> None:
    page = open_page()
    # The code of the fields comes late: the page is usable before they are there.
    held: list[Route] = []
    page.context.route(re.compile(r"/static/js/(TextInput|Selectbox)\b"), lambda route: held.append(route))
    link = {"section": "train", "architecture": "custom", "hidden": "12", "epochs": "3", "initializer": "he"}
    page.goto(f"{page.url.partition('?')[0]}Networks_A_and_B?{urlencode(link)}")
    page.get_by_role("radio", name="Dropout", exact=True).click()
    expect(page.get_by_role("radio", name="Dropout", exact=True)).to_be_checked()
    page.wait_for_function("() => location.search.includes('expected=dropout')")
    for route in held:
        route.continue_()
    expect(page.get_by_role("textbox", name="Hidden layers")).to_have_value("12")
    expect(page.get_by_role("textbox", name="Epochs", exact=True)).to_have_value("3")
    expect(page.get_by_role("combobox", name="Initial weights")).to_have_value("He, for ReLU")
    settle(page)
    assert {**link, "expected": "dropout"}.items() <= dict(parse_qsl(urlsplit(page.url).query)).items()


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_hostile_address_gets_one_sentence_and_the_defaults(open_page: OpenPage, lesson: str) -> None:
    page = open_page(lesson, {"seed": "1e400", "nonsense": "<img src=x onerror=alert(1)>"})
    expect(page.get_by_text("This link has parts that cannot be used")).to_be_visible()
    assert page.locator("img[src=x]").count() == 0


def test_both_themes_are_designed(open_page: OpenPage) -> None:
    grounds = {}
    for theme in ("light", "dark"):
        page = open_page(theme=theme)
        grounds[theme] = page.evaluate(
            "() => getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
    assert grounds == {"light": "rgb(253, 252, 248)", "dark": "rgb(21, 24, 29)"}


def test_headings_are_set_in_a_serif_that_comes_with_the_app(open_page: OpenPage, app: App) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    settle(page)
    family = page.evaluate("() => getComputedStyle(document.querySelector('h1')).fontFamily")
    assert "Serif" in family
    # Nothing is fetched from elsewhere: no fonts, no icons, no telemetry.
    assert [url for url in asked if not url.startswith((app.url, "data:", "blob:"))] == []
