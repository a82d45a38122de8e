"""Lesson 2 in a browser: a run from the form to the images behind its mistakes, and every section on every screen."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from benchmarks.lesson2_update import WATCH
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
    expect(page.get_by_text("You predicted 80.0 %")).to_be_visible()
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

    # The boxes below say the same, and may say something else although the cell stays chosen in the chart.
    page.get_by_role("combobox", name="The digit was").click()
    page.get_by_role("option", name="5", exact=True).click()
    expect(page.get_by_text(re.compile(r"test images of 5 (were taken for|was called) 0"))).to_be_visible()
    assert "true=5" in page.url


def test_the_time_machine_follows_its_slider(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train", **SMALL, "epochs": "9"}, height=1600)
    page.evaluate(WATCH)
    train(page)
    page.get_by_role("button", name="Open the time machine").click()
    settle(page)
    expect(page.get_by_text("After epoch 9 of 9")).to_be_visible()
    picture = page.get_by_alt_text(re.compile("of the first layer as images"))
    seen = {picture.get_attribute("src")}
    page.get_by_role("slider", name="Epoch").focus()
    for epoch in range(8, 1, -1):
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_text(f"After epoch {epoch} of 9")).to_be_visible()
        page.wait_for_function("() => moves.at(-1).first && moves.at(-1).all")
        seen.add(picture.get_attribute("src"))
    settle(page)
    assert len(seen) == 8
    assert "epoch=2" in page.url


# Looks at every frame until it has seen some updates and some seconds; keeps each distinct thing it saw.
EVERY_FRAME = """([updates, seconds]) => new Promise((done) => {
    const main = document.querySelector(".stMain"), numbers = new Map(), began = performance.now();
    const number = (element) => numbers.get(element) ?? (numbers.set(element, numbers.size), numbers.size - 1);
    const seen = {scroll: new Set(), charts: new Set(), boxes: new Set(), faded: new Set(), blank: 0, told: new Set()};
    const opacity = (element) =>
        element === document.body ? 1 : getComputedStyle(element).opacity * opacity(element.parentElement);
    const empty = (drawing) => drawing.tagName !== "CANVAS" ? !drawing.querySelector("path")
        : !drawing.getContext("2d").getImageData(0, 0, drawing.width, drawing.height).data.some((value) => value);
    const frame = () => {
        const charts = [...document.querySelectorAll("[data-testid=stVegaLiteChart]")];
        const drawings = charts.map((chart) => chart.querySelector("svg, canvas"));
        seen.scroll.add(main.scrollTop);
        seen.charts.add(String([...charts, ...drawings].map(number)));
        for (const [place, chart] of charts.entries()) {
            const {top, width, height} = chart.getBoundingClientRect();
            seen.boxes.add(`${place}: ${width} x ${height} at ${top + main.scrollTop}`);
            seen.faded.add(opacity(chart));
        }
        if (!drawings.every((drawing) => drawing && !empty(drawing))) seen.blank += 1;
        seen.told.add(/After epoch \\d+: test|The first figures come/.exec(document.body.innerText)?.[0]);
        const enough = seen.told.size > updates && performance.now() - began > 1000 * seconds;
        if (!enough && performance.now() - began < 90_000) return requestAnimationFrame(frame);
        done(Object.fromEntries(Object.entries(seen).map(([name, value]) => [name, value.size ? [...value] : value])));
    };
    requestAnimationFrame(frame);
})"""


@pytest.mark.parametrize("width", [1280, 390])
def test_charts_of_a_run_under_way_neither_flicker_nor_jump(open_page: OpenPage, width: int) -> None:
    # Wide layers: the first epoch takes a moment, so the charts are looked at from before their first figures on.
    page = open_page(PATH, {"section": "train", "hidden": "700,700", "epochs": "1000"}, width=width)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_test_id("stVegaLiteChart").locator("svg, canvas")).to_have_count(2)
    chart = page.get_by_test_id("stVegaLiteChart").last
    chart.scroll_into_view_if_needed()
    settle(page)
    seen = page.evaluate(EVERY_FRAME, [4, 5])
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text("Stopped")).to_be_visible()
    settle(page)
    top, height = chart.evaluate(
        "(chart) => { const box = chart.getBoundingClientRect();"
        " return [box.top + document.querySelector('.stMain').scrollTop, box.height]; }"
    )
    assert any(box.startswith("1: ") and box.endswith(f" x {height} at {top}") for box in seen["boxes"]), "it moved"
    assert len(seen["told"]) > 4, seen
    assert len(seen["scroll"]) == 1, seen
    assert len(seen["charts"]) == 1, "a chart was taken away and drawn anew"
    assert len(seen["boxes"]) == 2, seen["boxes"]
    assert seen["faded"] == [1], seen["faded"]
    assert seen["blank"] == 0, f"a chart was empty in {seen['blank']} frames"


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


def test_the_form_before_training_is_readable_in_the_dark(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train"}, theme="dark")
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_visible()
    assert_accessible(page)


@pytest.mark.parametrize("typed", ["1e400", "NaN", "", "1000000000", "−5"])
def test_no_text_in_a_field_breaks_the_page(open_page: OpenPage, typed: str) -> None:
    page = open_page(PATH, {"section": "train"})
    box = page.get_by_label("Learning rate", exact=True)
    box.fill(typed)
    box.press("Enter")
    expect(page.locator(".field-problem")).to_be_visible()
    settle(page)
    # What stands in the form could not be trained; once it can, the sentence goes.
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_disabled()
    box.fill("0.05")
    box.press("Enter")
    expect(page.locator(".field-problem")).to_have_count(0)
    expect(page.get_by_role("button", name="Train", exact=True)).to_be_enabled()
