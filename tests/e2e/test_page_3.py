"""Lesson 3 in a browser: recorded curves at once, training side by side, the findings, the inside, the disagreement."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlparse

import pytest
from playwright.sync_api import Locator, Page, expect

from mlcore.experiments.recorded import recorded_networks
from tests.e2e.conftest import OpenPage, assert_accessible, settle

PATH = "Networks_A_and_B"
LONG = 120_000  # milliseconds, for what a worker does


def section_of(page: Page) -> str | None:
    return parse_qs(urlparse(page.url).query).get("section", [None])[0]


def test_networks_recorded_curves_and_words_are_there_on_opening(open_page: OpenPage, screen: dict) -> None:
    page = open_page(PATH, **screen)
    expect(
        page.get_by_role("img", name=re.compile("Network A: 784 → 64 → 128 → 64 → 10, 67,466 parameters"))
    ).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("Network B: .* 399,498 parameters"))).to_be_visible()
    expect(
        page.locator("[data-testid='stVegaLiteChart'] svg, [data-testid='stVegaLiteChart'] canvas").first
    ).to_be_visible()
    chart = page.locator("[data-testid='stVegaLiteChart']").first
    box = chart.bounding_box()
    assert box is not None and box["y"] < 850, "the curves are on the first screen"
    expect_painted(chart)
    expect(page.get_by_text(re.compile(r"Validation loss turned at epoch \d+")).first).to_be_visible()
    expect(page.get_by_role("heading", name="The best epoch, honestly")).to_be_visible()
    assert_accessible(page)


def expect_painted(chart: Locator) -> None:
    """Wait until a chart's canvas has pixels that are neither paper nor ink nor grey: those of its lines."""
    canvas = chart.locator("canvas").element_handle()
    chart.page.wait_for_function(
        """(canvas) => {
            const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            for (let i = 0; i < data.length; i += 4)
                if (Math.max(...data.slice(i, i + 3)) - Math.min(...data.slice(i, i + 3)) > 70) return true;
            return false;
        }""",
        arg=canvas,
    )


@pytest.mark.parametrize("section", ["report", "train", "findings", "versus", "inside"])
@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_every_section_is_readable_and_accessible(open_page: OpenPage, section: str, theme: str, width: int) -> None:
    page = open_page(PATH, {"section": section}, theme=theme, width=width)
    expect(page.get_by_role("heading", level=1)).to_have_text("Networks A and B")
    if section == "inside":
        expect(page.get_by_role("heading", name="Dropout's mask for one image")).to_be_visible(timeout=LONG)
    assert page.get_by_role("heading", level=2).count() >= 1
    settle(page, quiet=0.8)  # new parts fade in, and half-faded text has half the contrast
    assert_accessible(page)


def test_a_deep_link_and_a_reload_show_the_same_curves(open_page: OpenPage) -> None:
    link = {
        "runs": "B-baseline,B-dropout-as-run",
        "what": "scores",
        "scores": "f1,recall",
        "average": "macro",
        "x": "time",
    }
    page = open_page(PATH, link)
    for _ in range(2):
        for name in ("Scores", "time", "macro"):
            expect(page.get_by_role("radio", name=name, exact=True)).to_be_checked()
        query = parse_qs(urlparse(page.url).query)
        assert {name: query[name][0] for name in link} == link
        expect(page.locator("[data-testid='stVegaLiteChart']").first).to_be_visible()
        page.reload()
        settle(page)


def test_exact_figures_stand_where_the_pointer_is(open_page: OpenPage) -> None:
    page = open_page(PATH, {"runs": "A-baseline", "losses": "validation"})
    chart = page.locator("[data-testid='stVegaLiteChart']").first
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    tip = page.locator("#vg-tooltip-element")
    for attempt in range(40):
        # Until the chart listens.
        page.mouse.move(box["x"] + (0.5 + 0.05 * (attempt % 3)) * box["width"], box["y"] + 0.4 * box["height"])
        page.wait_for_timeout(250)
        if tip.is_visible():
            break
    expect(tip).to_contain_text("A, baseline")
    said = tip.inner_text()
    epoch = int(re.search(r"epoch\s+(\d+)", said).group(1))  # type: ignore[union-attr]
    table = recorded_networks()["A-baseline"].epochs.set_index("epoch")
    assert f"{table['validation_loss'][epoch]:.5f}" in said


def test_variants_train_side_by_side_and_a_link_shows_them_again(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "train", "epochs": "3", "architecture": "custom", "hidden": "12"})
    page.get_by_role("radio", name="Dropout", exact=True).click()
    settle(page)
    page.get_by_role("button", name="Train 2 variants").click()
    expect(page.get_by_role("heading", name="What happened")).to_be_visible(timeout=LONG)
    settle(page)
    expect(page.get_by_text("12, plain: Finished")).to_be_visible()
    expect(page.get_by_text("12, dropout 0.3: Finished")).to_be_visible()
    expect(page.get_by_text("you expected Dropout")).to_be_visible()
    page.reload()
    settle(page)
    expect(page.get_by_text("12, dropout 0.3: Finished")).to_be_visible()
    page.get_by_role("radio", name="5 Inside").click()
    settle(page)
    assert section_of(page) == "inside"


def test_a_guess_a_run_and_the_outcome_beside_each_other(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "findings"})
    page.get_by_text("It falls to a tenth every 10 epochs").click()
    settle(page)
    page.get_by_role("button", name="Run it", exact=True).first.click()
    expect(page.get_by_text("What happened: it never changes.")).to_be_visible(timeout=LONG)
    expect(page.get_by_text(re.compile("one rate throughout, 0.01"))).to_be_visible()
    settle(page)


def test_hooks_show_layers_and_the_mask_of_another_image(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "inside"})
    expect(page.get_by_role("heading", name="Dropout's mask for one image")).to_be_visible(timeout=LONG)
    settle(page)
    assert page.locator("[data-testid='stVegaLiteChart']").count() == 4
    mask = page.get_by_role("img", name=re.compile(r"hidden 1: \d+ units passed on"))
    before = mask.get_attribute("aria-label")
    field = page.get_by_label(re.compile("Image for the mask"))
    field.fill("1e400")
    field.press("Enter")
    expect(page.get_by_text(re.compile("Write a whole number from 0"))).to_be_visible()
    settle(page)
    assert mask.get_attribute("aria-label") == before, "the last good image stays"
    field.fill("18")
    field.press("Enter")
    expect(mask).not_to_have_attribute("aria-label", before or "", timeout=LONG)
    settle(page)
    assert_accessible(page)


def test_two_networks_are_told_apart_by_the_images_only_one_gets_right(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "versus"})
    expect(page.get_by_text(re.compile(r"Of [\d,]+ images both get [\d,]+ wrong"))).to_be_visible()
    page.get_by_role("radio", name=re.compile("Only the first wrong")).click()
    settle(page)
    expect(page.get_by_alt_text(re.compile("images: only the first wrong"))).to_be_visible()
    assert "group_shown=only_first_wrong" in page.url


def test_while_the_worker_answers_the_page_says_so_and_stays_usable(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "inside", "watched": "B-dropout", "image": "77", "mask_seed": "4242"})
    # Whether or not the answer was quicker than this look, the rest of the page is there at once.
    expect(page.get_by_role("radio", name="6 A against B")).to_be_enabled()
    expect(page.get_by_text(re.compile("B, dropout 0.3, after 500 epochs"))).to_be_visible(timeout=LONG)
    settle(page)
    expect(page.get_by_text("PyTorch starts in its worker")).to_have_count(0)


def test_a_figure_far_from_the_reports_gets_its_reason(open_page: OpenPage) -> None:
    page = open_page(PATH, {"section": "report"})
    expect(page.get_by_text(re.compile("which of these epochs is the last one is luck"))).to_be_visible()
    expect(page.get_by_text(re.compile("From epoch 31 on its rate is a thousandth")).first).to_be_visible()


def test_a_run_that_trains_can_be_looked_into_and_the_moment_is_told(open_page: OpenPage) -> None:
    link = {"section": "train", "epochs": "900", "variants": "dropout", "architecture": "custom", "hidden": "40"}
    page = open_page(PATH, link)
    page.get_by_role("button", name="Train", exact=False).last.click()
    expect(page.get_by_text(re.compile(r"[1-9]\d* of 900 epochs"))).to_be_visible(timeout=LONG)
    page.get_by_role("radio", name="5 Inside").click()
    expect(page.get_by_text(re.compile("A, dropout 0.3, after 500 epochs"))).to_be_visible(timeout=LONG)
    settle(page)
    page.locator("[data-testid='stSelectbox'] input").first.click()
    page.get_by_role("option", name="my 40, dropout 0.3, sample (run 1)").click()
    told = page.get_by_text(re.compile(r"my 40, dropout 0.3, after \d+ epochs?"))
    expect(told).to_be_visible(timeout=LONG)
    expect(page.get_by_text("The network of this link is not here")).to_have_count(0)
    before = told.inner_text()
    page.get_by_role("radio", name="backward: gradient at z").click()  # the page runs; the run may have gone on by now
    settle(page)
    assert told.inner_text() == before, "what is told is still about the weights that are shown"
