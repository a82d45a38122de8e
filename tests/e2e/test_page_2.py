"""Lesson 2 in a browser: a run from the form to the images behind its mistakes, and every section on every screen."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import OpenPage, assert_accessible, assert_calm, settle
from ui.lesson2.state import NAMES

PATH = "Network_from_scratch"
SMALL = {"epochs": "5", "hidden": "16", "initializer": "he", "bias": "0"}
LONG = 90_000  # milliseconds, for a training on a busy machine


def go_to(page: Page, section: str) -> None:
    page.get_by_role("radio", name=NAMES[section]).click()
    settle(page)


def train(page: Page) -> None:
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_role("button", name="Look at the results")).to_be_visible(timeout=LONG)
    expect(page.get_by_text("Finished")).to_be_visible(timeout=LONG)
    settle(page)


def test_from_the_form_to_the_images_behind_a_mistake(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train", **SMALL}, height=1600)
    page.get_by_label("Test accuracy after epoch 5").fill("80")
    page.get_by_label("Because").fill("few units")
    page.get_by_label("Because").press("Tab")
    settle(page)
    train(page)
    expect(page.get_by_text("You predicted 80.0%")).to_be_visible()
    page.get_by_role("button", name="Look at the results").click()
    settle(page)
    expect(page.get_by_text("Test accuracy", exact=True)).to_be_visible()

    # A click on the matrix chooses a cell, and the images that were counted there appear.
    expect(page.get_by_text("Click a cell of the matrix")).to_be_visible()
    matrix = (
        page.get_by_role("graphics-document")
        .filter(has_text="Test part")
        .or_(page.locator("[data-testid='stVegaLiteChart']").nth(2))
        .first
    )
    matrix.scroll_into_view_if_needed()
    box = matrix.bounding_box()
    matrix.click(position={"x": box["width"] * 0.12, "y": box["height"] * 0.13})
    expect(page.get_by_text(re.compile(r"test images of 0 were recognised"))).to_be_visible()
    expect(page.get_by_alt_text(re.compile("images of the digit 0 that the network called 0"))).to_be_visible()
    assert "true=0" in page.url and "taken_for=0" in page.url

    # The same link, opened cold, shows the same cell.
    again = open_page(f"{PATH}?{page.url.partition('?')[2]}")
    expect(again.get_by_text(re.compile(r"test images of 0 were recognised"))).to_be_visible()


def test_the_time_machine_follows_its_slider(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train", **SMALL}, height=1400)
    train(page)
    page.get_by_role("button", name="Open the time machine").click()
    settle(page)
    expect(page.get_by_text("After epoch 5 of 5")).to_be_visible()
    before = page.get_by_alt_text(re.compile("of the first layer as images")).get_attribute("src")
    slider = page.get_by_role("slider", name="Epoch")
    slider.focus()
    took = []
    for epoch in (4, 3, 2):
        began = time.monotonic()
        slider.press("ArrowLeft")
        page.wait_for_function(f"document.body.innerText.includes('After epoch {epoch} of 5')", polling=10)
        took.append(time.monotonic() - began)
    settle(page)
    assert page.get_by_alt_text(re.compile("of the first layer as images")).get_attribute("src") != before
    assert "epoch=2" in page.url
    # The aim is 200 ms (benchmarks/lesson2_update.py measures the server's part of it). Other work on a test machine
    # only ever adds to the time, so the quickest move is looked at, with room.
    assert min(took) < 1.5, took


def test_table_1_hides_its_answer_until_the_learner_commits(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "table1"}, height=1600)
    expect(page.get_by_role("button", name="Reveal")).to_be_disabled()
    expect(page.get_by_text("What it was")).to_have_count(0)
    page.get_by_text("The activation: tanh, or ReLU").click()
    settle(page)
    page.get_by_role("button", name="Reveal").click()
    settle(page)
    expect(page.get_by_role("heading", name="What it was")).to_be_visible()
    expect(page.get_by_text("You suspected the activation")).to_be_visible()
    expect(page.get_by_text("the initial weights move the accuracy most")).to_be_visible()


def test_a_failing_training_says_what_happened_and_what_to_try(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train"}, height=1400)
    page.get_by_role("button", name="Break it on purpose").click()
    page.get_by_role("button", name="Rate 100").click()
    settle(page)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("What to try:").first).to_be_visible(timeout=LONG)
    expect(page.get_by_text("no longer a finite number").first).to_be_visible()


def test_every_section_on_every_screen(open_page: OpenPage, screen: dict) -> None:
    page = open_page(PATH, {"section": "train", **SMALL}, **screen)
    train(page)
    for section in NAMES:
        go_to(page, section)
        if section == "table1":
            page.get_by_role("button", name="Skip the guessing").click()
            settle(page)
        if section == "check":
            page.get_by_role("button", name="Check the gradients").click()
            settle(page)
        page.mouse.move(0, 0)  # a button that is pointed at has another colour
        assert_calm(page)
        assert_accessible(page)


@pytest.mark.parametrize("typed", ["1e400", "NaN", "", "1000000000", "−5"])
def test_no_text_in_a_field_breaks_the_page(open_page: OpenPage, typed: str) -> None:
    page = open_page(PATH, {"section": "train"})
    box = page.get_by_label("Learning rate", exact=True)
    box.fill(typed)
    box.press("Enter")
    expect(page.locator(".field-problem")).to_be_visible()
    settle(page)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()
