"""The home page in a browser: what a visitor sees first, in both themes and on both widths."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenPage, assert_accessible, settle


def test_home_shows_three_lessons_and_real_digits(open_page: OpenPage, screen: dict) -> None:
    page = open_page(**screen)
    expect(page.get_by_role("heading", level=1)).to_have_text("Backprop Lab")
    for title in ("1 · Forward and backward", "2 · A network from scratch", "3 · Networks A and B"):
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    digits = page.get_by_alt_text("Thirty handwritten digits")
    expect(digits).to_be_visible()
    assert digits.evaluate("image => image.naturalWidth") > 500
    assert digits.evaluate("image => image.src").startswith("data:"), "no file that the next click could take away"
    assert_accessible(page)


@pytest.mark.parametrize(
    ("link", "title"),
    [
        ("Start with one expression", "Forward and backward"),
        ("Train your first network", "Network from scratch"),
        ("Compare the two networks", "Networks A and B"),
    ],
)
def test_each_card_leads_to_its_lesson(open_page: OpenPage, link: str, title: str) -> None:
    page = open_page()
    page.get_by_role("link", name=link).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    settle(page)
    # The frame is there too: the way back home.
    page.get_by_role("link", name="Home").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Backprop Lab")
    settle(page)


def test_the_menu_opens_on_a_telephone(open_page: OpenPage) -> None:
    page = open_page(width=390)
    expect(page.get_by_role("link", name="Home")).not_to_be_in_viewport()
    page.get_by_test_id("stExpandSidebarButton").click()
    expect(page.get_by_role("link", name="3 Networks A and B")).to_be_in_viewport()


def test_a_token_goes_along_to_the_next_page(open_page: OpenPage) -> None:
    token = "a" * 32
    page = open_page(params={"me": token})
    page.get_by_role("link", name="1 Forward and backward").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Forward and backward")
    settle(page)
    assert f"me={token}" in page.url
