"""The page "Forward and backward" in Chromium: what the eye, the keyboard and a screen reader get of the graph."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlparse

import pytest

from mlcore.autodiff import EXAMPLES
from mlcore.autodiff.gradcheck import STEPS
from tests.e2e.conftest import AXE, OpenPage, assert_accessible, settle, shoot

PATH = "Forward_and_backward"
REPORT = EXAMPLES["report"]
# 37 nodes with long numbers, shared inputs and constants: the kind of graph that gets crowded.
SOFTMAX = "-log(exp(x1*w1+x2*w2+b1)/(exp(x1*w1+x2*w2+b1)+exp(x1*w3+x2*w4+b2)+exp(x1*w5+x2*w6+b3)))"
SIXTY = " + ".join(f"tanh(x{k}*w{k} + b)*v{k}" for k in range(1, 8))
TWO_HUNDRED = " + ".join(f"sigmoid(x{k}*w{k} + b{k % 3})" for k in range(1, 34))


def lesson(open_page: OpenPage, params: dict[str, str] | None = None, **options: Any) -> Any:
    """The page, once its graph is drawn: the browser mounts a component a moment after the page has settled."""
    page = open_page(PATH, params, **options)
    page.locator(".lab-graph .node").first.wait_for(state="attached")
    return page


def node(page: Any, name: str) -> Any:
    return page.locator(f'.lab-graph .node[data-name="{name}"] .handle').first


def said(page: Any, name: str) -> str:
    return str(node(page, name).get_attribute("aria-label"))


def step(page: Any) -> str:
    return str(page.locator(".lab-graph .count").first.inner_text())


def link(page: Any) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items() if name != "me"}


def test_it_opens_readable_and_accessible_on_every_screen(open_page: OpenPage, screen: dict[str, Any], tmp_path):
    page = lesson(open_page, {"step": "12", "node": "t"}, **screen)
    assert said(page, "f") == "f = p · r; value 0.26887; gradient 1"
    assert "gradient not computed yet" in said(page, "w4")
    assert_no_overlap(page)
    assert_accessible(page)
    folder = os.environ.get("LAB_SCREENSHOTS")
    if folder:
        shoot(page, tmp_path.__class__(folder) / f"page_1_{screen['theme']}_{screen['width']}.png")


@pytest.mark.parametrize("view", ["nudge", "prove", "descend", "practise"])
def test_the_views_are_accessible(open_page: OpenPage, view: str):
    for theme in ("light", "dark"):
        page = lesson(open_page, {"view": view, "taken": "3", "level": "2", "step": "all"}, theme=theme)
        if view == "prove":
            page.get_by_text("The two agree to").wait_for()
        assert_accessible(page)


def test_arrows_step_and_the_link_and_the_formula_follow(open_page: OpenPage):
    page = lesson(open_page)
    assert step(page) == "step 7 of 22"
    node(page, "x1").focus()
    page.keyboard.press("ArrowRight")
    assert step(page) == "step 8 of 22", "the graph does not wait for the server"
    assert "gradient −0.23" in said(page, "p")
    settle(page)
    assert link(page) == {"step": "8"}
    assert page.get_by_text("Backward, step 1 of 15").is_visible()
    page.keyboard.press("End")
    settle(page)
    assert link(page) == {"step": "all"}
    assert "gradient 0.345" in said(page, "x1")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    settle(page)
    assert link(page) == {"step": "20"}
    page.keyboard.press("Home")
    assert "value not computed yet" in said(page, "f")
    settle(page)
    assert link(page) == {"step": "0"}


def test_buttons_and_slider_step_too(open_page: OpenPage):
    page = lesson(open_page)
    page.get_by_role("button", name="One step on").click()
    assert step(page) == "step 8 of 22"
    page.get_by_role("button", name="First step").click()
    assert step(page) == "step 0 of 22"
    assert page.get_by_role("button", name="One step back").is_disabled()
    slider = page.get_by_role("slider", name="Step", exact=True)
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    assert step(page) == "step 3 of 22"
    settle(page)
    assert link(page) == {"step": "3"}


def test_quick_presses_are_all_counted(open_page: OpenPage):
    page = lesson(open_page, {"step": "0"})
    node(page, "x1").focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(45)
    settle(page)
    assert step(page) == "step 15 of 22"
    assert link(page) == {"step": "15"}
    assert node(page, "x1").evaluate("element => element === element.getRootNode().activeElement"), "focus is kept"


def test_tab_walks_the_nodes_and_enter_opens_one(open_page: OpenPage):
    page = lesson(open_page, {"step": "all"})
    node(page, "x1").focus()
    for _ in range(8):
        page.keyboard.press("Tab")
    assert node(page, "q").evaluate("element => element === element.getRootNode().activeElement")
    page.keyboard.press("Enter")
    page.get_by_text("Node q").wait_for()
    assert link(page) == {"step": "all", "node": "q"}
    page.keyboard.press("Enter")
    settle(page)
    assert page.get_by_text("Node q").count() == 0


def test_a_click_opens_a_node(open_page: OpenPage):
    page = lesson(open_page, {"step": "all"})
    node(page, "r").click()
    page.get_by_text("Node r").wait_for()
    assert node(page, "r").get_attribute("aria-pressed") == "true"


def test_typing_a_number_changes_the_graph_where_it_stands(open_page: OpenPage):
    page = lesson(open_page, {"step": "all"})
    field = page.get_by_label("x1", exact=True)
    field.fill("2")
    field.press("Enter")
    page.wait_for_function(
        "() => [...document.querySelectorAll('*')].some("
        "e => e.shadowRoot?.querySelector('[data-name=\"x1\"] .value')?.textContent === '2')"
    )
    assert "value 2;" in said(page, "x1")
    assert "gradient −0.46" in said(page, "w1"), "gradients follow at once"
    settle(page)
    assert "x1:2" in link(page)["v"]


def test_a_reload_and_a_cold_link_open_the_same_state(open_page: OpenPage):
    wanted = {"f": "a*b + sin(c)", "v": "a:2,b:3,c:0.5", "step": "3", "node": "a", "view": "nudge", "h": "1e-06"}
    page = lesson(open_page, wanted)
    assert step(page) == "step 3 of 9"
    assert page.get_by_text("Node a").is_visible()
    page.reload()
    settle(page)
    assert link(page) == wanted
    assert page.get_by_label("c", exact=True).input_value() == "0.5"


@pytest.mark.parametrize("name", list(EXAMPLES))
def test_nothing_lies_on_anything_in_the_examples(open_page: OpenPage, name: str):
    example = EXAMPLES[name]
    values = ",".join(f"{key}:{value}" for key, value in example.values.items())
    page = lesson(open_page, {"f": example.expression, "v": values, "step": "all"})
    assert_no_overlap(page)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("expression", ["x*x", "sin(sin(sin(sin(sin(x)))))", REPORT.expression])
def test_no_node_stands_under_the_buttons(open_page: OpenPage, expression: str, width: int):
    page = lesson(open_page, {"f": expression, "step": "all"}, width=width)
    buttons = page.locator(".lab-graph .zoom").bounding_box()
    for box in page.locator(".lab-graph .node").evaluate_all("all => all.map((one) => one.getBoundingClientRect())"):
        beside = box["right"] < buttons["x"] or box["left"] > buttons["x"] + buttons["width"]
        assert beside or box["top"] >= buttons["y"] + buttons["height"] - 2


def test_a_graph_of_thirty_nodes_keeps_its_numbers_apart(open_page: OpenPage):
    page = lesson(open_page, {"f": SOFTMAX, "step": "all"})
    assert_no_overlap(page)


def test_a_graph_that_scrolls_is_drawn_once(open_page: OpenPage):
    page = lesson(open_page, {"f": TWO_HUNDRED, "step": "all"})
    drawing = page.locator(".lab-graph svg.graph").element_handle()
    page.wait_for_timeout(800)
    assert drawing.evaluate("e => e.isConnected"), "a scroll bar that appears must not lead to drawing again and again"


def test_sixty_nodes_are_readable(open_page: OpenPage):
    page = lesson(open_page, {"f": SIXTY, "step": "all"})
    count = page.locator(".lab-graph .node").count()
    assert 50 <= count <= 60
    assert_no_overlap(page, labels=False)
    shrunk = page.locator(".lab-graph svg.graph").evaluate(
        "e => e.getBoundingClientRect().width / e.viewBox.baseVal.width"
    )
    sizes = page.locator(".lab-graph .node .value, .lab-graph .local").evaluate_all(
        "found => found.map((e) => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) * shrunk >= 9, "letters are large enough to read, in pixels"
    page.get_by_role("button", name="Fit the graph to the width").click()
    pane = page.locator(".lab-graph .scroll")
    assert pane.evaluate("e => e.scrollWidth <= e.clientWidth + 1"), "all of its width is in view"


def test_two_hundred_nodes_can_be_zoomed_and_panned(open_page: OpenPage):
    page = lesson(open_page, {"f": TWO_HUNDRED, "step": "all"}, height=1400)
    assert page.locator(".lab-graph .node").count() == 200
    page.get_by_role("button", name="One step back").click()
    pane = page.locator(".lab-graph .scroll")
    wide, tall = pane.evaluate("e => [e.scrollWidth, e.clientHeight]")
    page.get_by_role("button", name="Show the whole graph").click()
    whole = pane.evaluate("e => [e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight]")
    assert max(whole) <= 2, "all of it is in view"
    for _ in range(6):
        page.get_by_role("button", name="Larger").click()
    assert pane.evaluate("e => e.scrollHeight") > tall
    box = pane.bounding_box()
    before = pane.evaluate("e => e.scrollTop")
    page.mouse.move(box["x"] + 300, box["y"] + 300)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 200, steps=4)
    page.mouse.up()
    assert pane.evaluate("e => e.scrollTop") > before, "dragging pans"
    assert wide > 0


def test_a_failing_node_is_marked_and_says_why(open_page: OpenPage):
    page = lesson(open_page, {"f": "a / b + c", "v": "a:1,b:0,c:2", "step": "all"})
    assert "Division by zero" in said(page, "v1")
    assert page.locator(".lab-graph .node.failed").count() == 1
    assert "value 2" in said(page, "c")


def test_pytorch_answers_soon_once_warm(open_page: OpenPage):
    page = lesson(open_page, {"view": "prove"})
    agree = page.get_by_text("The two agree to")
    agree.wait_for(timeout=60_000)
    row = page.locator("tr", has_text="∂x2").first.inner_text().replace("\n", "\t").split("\t")
    assert [cell.strip() for cell in row if cell.strip()][-2] == "0.0805", "the report's figure stands in the row"
    field = page.get_by_label("x1", exact=True)
    field.fill("0.8")
    field.press("Enter")
    page.locator("td", has_text="−0.184").first.wait_for()  # ∂f/∂w1 = r · x1 = −0.23 · 0.8
    agree.wait_for()


def test_the_copied_link_is_that_of_the_moment(open_page: OpenPage):
    page = lesson(open_page)
    node(page, "x1").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    page.get_by_label("x1", exact=True).fill("2")
    page.get_by_label("x1", exact=True).press("Enter")
    settle(page)
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Link copied.").wait_for()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert {name: values[0] for name, values in parse_qs(urlparse(copied).query).items()} == link(page)
    assert link(page)["step"] == "8"
    assert "x1:2" in link(page)["v"]


def test_a_step_does_not_send_the_graph_again(open_page: OpenPage):
    page = open_page()
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: received.append(len(data))))
    page.goto(f"{page.url.rstrip('/')}/{PATH}?{urlencode({'f': TWO_HUNDRED, 'step': '300'})}")
    page.locator(".lab-graph .node").first.wait_for(state="attached")
    settle(page)
    assert max(received) > 100_000, "the whole graph, once"
    node(page, "x1").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    received.clear()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert step(page).startswith("step 302")
    assert max(received) < 40_000, "the component itself, but not its picture"
    field = page.get_by_label("x1", exact=True)
    field.fill("2")
    field.press("Enter")
    settle(page)
    assert "value 2;" in said(page, "x1"), "another picture is sent"


def test_a_browser_that_lost_the_graph_gets_it_again(open_page: OpenPage):
    page = open_page()
    page.add_init_script(
        """const get = Map.prototype.get;
        Map.prototype.get = function (key) {
            if (window.forget && /^[0-9a-f]{5,8}$/.test(key)) { window.forget = false; window.forgot = true; return; }
            return get.call(this, key);
        };"""
    )
    page.goto(f"{page.url.rstrip('/')}/{PATH}")
    page.locator(".lab-graph .node").first.wait_for(state="attached")
    settle(page)
    node(page, "x1").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    page.evaluate("() => { window.forget = true; }")
    page.keyboard.press("ArrowRight")
    settle(page)
    assert page.evaluate("() => window.forgot"), "the answer to a step names a picture, and it is not there"
    page.get_by_label("x1", exact=True).fill("2")
    page.get_by_label("x1", exact=True).press("Enter")
    settle(page)
    assert "value 2;" in said(page, "x1")
    assert step(page) == "step 9 of 22"


def test_headings_leave_no_level_out(open_page: OpenPage):
    for params in ({"step": "0"}, {"step": "all", "node": "q"}, {"view": "practise"}):
        page = lesson(open_page, params)
        page.evaluate(AXE.read_text())
        found = page.evaluate(
            "async () => (await axe.run(document, {runOnly: ['heading-order', 'page-has-heading-one']}))"
            ".violations.map((one) => one.id + ': ' + one.nodes.map((node) => node.html).join(' | '))"
        )
        assert found == []


@pytest.mark.parametrize("view", ["nudge", "descend"])
def test_a_chart_has_its_table_and_its_file(open_page: OpenPage, view: str):
    page = lesson(open_page, {"view": view, "taken": "3"})
    page.get_by_role("button", name="Table" if view == "nudge" else "The path as a table").click()
    page.locator("[data-testid='stDataFrame']").wait_for()
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").get_by_role("button", name="Download as CSV").click()
    rows = list(csv.reader(io.StringIO(Path(download.value.path()).read_text())))
    if view == "nudge":
        assert rows[0][0] == "h"
        assert [float(row[0]) for row in rows[1:]] == list(STEPS)
        assert float(rows[1][-1]) == pytest.approx(0.345)
    else:
        assert rows[0][:2] == ["step", "result"]
        assert [row[0] for row in rows[1:]] == ["0", "1", "2", "3"]
        assert float(rows[1][1]) == pytest.approx(0.26887)


def test_motion_stops_where_it_is_not_wanted(open_page: OpenPage):
    page = lesson(open_page)
    page.emulate_media(reduced_motion="reduce")
    page.get_by_role("button", name="One step on").click()
    moving = page.locator(".lab-graph .edge.now").first.evaluate("e => getComputedStyle(e).animationName")
    assert moving == "none"


def assert_no_overlap(page: Any, *, labels: bool = True) -> None:
    """No number or name of the graph covers another one, nor the body of a node that it does not belong to."""
    found = page.evaluate(
        """(labels) => {
            const host = [...document.querySelectorAll('*')].find(e => e.shadowRoot?.querySelector('.lab-graph'));
            const svg = host.shadowRoot.querySelector('svg.graph');
            const items = [];
            svg.querySelectorAll('.node').forEach((node, index) => {
                for (const part of ['.value', '.gradient', '.body']) {
                    const element = node.querySelector(part);
                    if (element.textContent || part === '.body')
                        items.push({what: node.dataset.name + part, node: index, box: element.getBoundingClientRect()});
                }
            });
            if (labels) svg.querySelectorAll('.local').forEach((element) => {
                if (element.textContent && element.style.visibility !== 'hidden')
                    items.push({what: 'edge ' + element.textContent, node: -1, box: element.getBoundingClientRect()});
            });
            const bad = [];
            // A text's box is taller than its digits: 2 px on each side are air.
            for (let i = 0; i < items.length; i++) for (let j = 0; j < i; j++) {
                if (items[i].node === items[j].node && items[i].node >= 0) continue;
                const a = items[i].box, b = items[j].box;
                const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (x > 2 && y > 4) bad.push(`${items[i].what} on ${items[j].what}: ${x.toFixed(0)} x ${y.toFixed(0)}`);
            }
            return bad;
        }""",
        labels,
    )
    assert found == []
