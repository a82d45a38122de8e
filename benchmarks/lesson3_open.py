"""How long lesson 3 takes to show its recorded curves, from the click on the page's name to painted lines in Chromium.

    .venv/bin/python benchmarks/lesson3_open.py [--visits 15] [--profile]

Warm: server and tab have shown the page once; the tab goes home and clicks on the page's name again. Goal: 0.5 s at the
median. First click: a new browser is on the home page and has yet to fetch what draws charts. Cold deep link: a new
browser fetches the whole front end, and the time counts from the address. Heavy: a reload with all ten runs and three
losses. "Painted" is the first frame in which the chart has pixels of a line's colour; `--profile` says which files of
the front end the browser spent a warm visit in, and how many bytes came over the websocket.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlcore.experiments.recorded import RECORDED_NETWORKS
from tests.browser import ARGUMENTS, App, find_chromium, settle, start_app, stop_app

GOAL = 0.5
PATH = "Networks_A_and_B"
LINK = "3 Networks A and B"
HEAVY = {"runs": ",".join(RECORDED_NETWORKS), "losses": "measured,train,validation"}
SCREEN = {"width": 1280, "height": 900}
WAIT = 60_000  # milliseconds

# Looks at each frame whether a chart has pixels that are neither paper nor ink nor grey: those of its lines.
WATCH = """() => {
  const coloured = (canvas) => {
    if (!canvas.width || !canvas.height) return false;
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < data.length; i += 4)
      if (data[i + 3] > 200 && Math.max(data[i], data[i+1], data[i+2]) - Math.min(data[i], data[i+1], data[i+2]) > 70)
        return true;
    return false;
  };
  window.watchChart = (from) => {
    window.painted = null;
    const look = () => {
      const chart = document.querySelector("[data-testid='stVegaLiteChart']");
      const canvas = chart && chart.querySelector('canvas');
      if (canvas && coloured(canvas)) window.painted = performance.now() - from;
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  };
}"""


def warm(page: Any, visits: int) -> list[float]:
    """Seconds from the click to the painted chart, each from the home page."""
    _watch_clicks(page)
    times = []
    for _ in range(visits + 1):
        page.get_by_role("link", name="Home").click()
        page.get_by_role("heading", level=1, name="Backprop Lab").wait_for()
        settle(page)
        times.append(_click(page))
    return times[1:]


def first_click(page: Any, url: str) -> float:
    """Seconds from the first click of a new browser that is on the home page."""
    page.goto(url)
    settle(page)
    _watch_clicks(page)
    return _click(page)


def _watch_clicks(page: Any) -> None:
    page.evaluate(WATCH)
    page.evaluate(
        """(name) => document.addEventListener('click', (event) => {
            const link = event.target.closest('a');
            if (link && link.innerText.includes(name)) window.watchChart(performance.now());
        }, true)""",
        LINK,
    )


def _click(page: Any) -> float:
    page.get_by_role("link", name=LINK).first.click()
    page.wait_for_function("() => window.painted", timeout=WAIT)
    taken: float = page.evaluate("() => window.painted") / 1000
    settle(page)
    return taken


def deep_link(page: Any, url: str, params: dict[str, str]) -> float:
    """Seconds from asking for the page's own address to the painted chart."""
    page.add_init_script(f"({WATCH})(); addEventListener('DOMContentLoaded', () => window.watchChart(0));")
    page.goto(f"{url}/{PATH}?{urlencode(params)}", wait_until="commit")
    page.wait_for_function("() => window.painted", timeout=WAIT)
    taken: float = page.evaluate("() => window.painted") / 1000
    settle(page)
    return taken


def profile(context: Any, page: Any) -> None:
    """Say where the browser spends a warm visit, and what the server sends for it."""
    received: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))))
    page.reload()
    settle(page)
    warm(page, 2)
    session = context.new_cdp_session(page)
    session.send("Profiler.enable")
    session.send("Profiler.start")
    received.clear()
    (taken,) = warm(page, 1)
    nodes = session.send("Profiler.stop")["profile"]
    files = {node["id"]: node["callFrame"]["url"].rpartition("/")[2] for node in nodes["nodes"]}
    spent: Counter[str] = Counter()
    for node, micros in zip(nodes["samples"], nodes["timeDeltas"], strict=True):
        spent[files[node] or "(browser)"] += micros
    print(f"  profiled: {taken:.2f} s; four moves received {sum(received):,} bytes in {len(received)} messages")
    for name, micros in spent.most_common(8):
        print(f"  {micros / 1000:7.0f} ms  {name}")


def measure(running: App, visits: int, with_profile: bool) -> dict[str, list[float]]:
    """All measurements, in seconds."""
    from playwright.sync_api import sync_playwright

    found: dict[str, list[float]] = {}
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
        context = chromium.new_context(viewport=SCREEN)
        page = context.new_page()
        deep_link(page, running.url, {})
        found["warm"] = warm(page, visits)
        if with_profile:
            profile(context, page)
        few = max(3, visits // 3)
        found["heavy, reload"] = [deep_link(page, running.url, HEAVY) for _ in range(few + 1)][1:]
        for what, look in (
            ("first click in a new browser", lambda page: first_click(page, running.url)),
            ("cold deep link", lambda page: deep_link(page, running.url, {})),
        ):
            found[what] = []
            for _ in range(few):
                fresh = chromium.new_context(viewport=SCREEN)
                found[what].append(look(fresh.new_page()))
                fresh.close()
        chromium.close()
    return found


def main() -> None:
    """Measure and print medians; exit status 1 where the warm one misses its goal."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--visits", type=int, default=15)
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    running = start_app(Path(tempfile.mkdtemp(prefix="lesson3-")))
    try:
        found = measure(running, given.visits, given.profile)
    finally:
        stop_app(running)
    for what, times in found.items():
        print(f"{what}: median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s")
    sys.exit(statistics.median(found["warm"]) > GOAL)


if __name__ == "__main__":
    main()
