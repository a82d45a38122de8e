"""How long lesson 3 takes to show its recorded curves: on a warm server, from the click to the drawn chart.

`python benchmarks/lesson3_open.py` starts the app, opens the page once to warm it, then measures five visits in fresh
browser contexts. The page's script is also measured alone, with ten runs and three losses on screen.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mlcore.experiments.recorded import RECORDED_NETWORKS
from tests.browser import ARGUMENTS, find_chromium
from tests.conftest import ROOT
from tests.e2e.conftest import start_app, stop_app

VISITS = 5
CHART = "[data-testid='stVegaLiteChart'] svg, [data-testid='stVegaLiteChart'] canvas"


def in_the_server() -> list[float]:
    """Seconds that one run of the page's script takes, without a browser."""
    from streamlit.testing.v1 import AppTest

    times = []
    for _ in range(VISITS + 1):
        page = AppTest.from_file(str(ROOT / "pages" / "3_Networks_A_and_B.py"), default_timeout=120)
        page.query_params["runs"] = ",".join(RECORDED_NETWORKS)
        page.query_params["losses"] = "measured,train,validation"
        started = time.perf_counter()
        page.run()
        times.append(time.perf_counter() - started)
        assert not page.exception
    return times[1:]


def in_a_browser() -> list[float]:
    """Seconds from the click on the page's name until the chart is drawn."""
    from playwright.sync_api import sync_playwright

    running = start_app(Path(tempfile.mkdtemp(prefix="lesson3-")))
    times = []
    try:
        with sync_playwright() as playwright:
            chromium = playwright.chromium.launch(executable_path=find_chromium(), args=list(ARGUMENTS))
            for _ in range(VISITS + 1):
                context = chromium.new_context(viewport={"width": 1280, "height": 2400})
                page = context.new_page()
                page.goto(running.url)
                link = page.get_by_role("link", name="3 Networks A and B")
                link.wait_for(timeout=60_000)
                page.wait_for_timeout(1500)
                started = time.perf_counter()
                link.click()
                page.wait_for_selector(CHART, timeout=60_000)
                times.append(time.perf_counter() - started)
                context.close()
            chromium.close()
    finally:
        stop_app(running)
    return times[1:]


def main() -> None:
    """Both measurements, as medians."""
    for what, times in (("script on the server", in_the_server()), ("click to drawn chart", in_a_browser())):
        print(f"{what}: median {statistics.median(times):.2f} s, {min(times):.2f} to {max(times):.2f} s")


if __name__ == "__main__":
    main()
